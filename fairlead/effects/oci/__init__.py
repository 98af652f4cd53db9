"""The hands on containers and images: conmon and runc, skopeo and umoci, overlayfs.

`runtime` runs containers (`spec` says how, `conmon` and `process` start and watch them), `logs` keeps what they say,
`files` reaches into them. `registry` and `archives` bring images, `layers`, `blobs` and `rootfs` keep them.
"""
