"""Serves a trained model over HTTP: TensorFlow Serving's REST format, dynamic batching, a web page.

`http_checks` refuses invalid requests and unknown hosts, `app` receives the others, `protocol`
parses them within `limits`, `batching` queues their lines for the one thread that decodes, with
`served_model`. `server` starts and stops all of it. `client` queries such a server and doesn't need
the extra `serve`.
"""
