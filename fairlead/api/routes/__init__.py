"""The routes, a module for each noun of the API. Each has `routes(engine)`; handlers call one method of the engine."""
