"""Images as the engine keeps them: what there is (`catalogue`), layers on their way in (`shelf`), and the verbs."""
