"""Serves a trained model over HTTP: TensorFlow Serving's REST format, dynamic batching, a web page.

`app` receives a request, `protocol` parses it within `limits`, `batching` queues its lines for the
one thread that decodes, with `served_model`. `server` starts and stops all of it. `client` queries
such a server and doesn't need the extra `serve`.
"""
