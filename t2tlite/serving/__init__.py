"""Serves a trained model over HTTP: TensorFlow Serving's REST format, OpenAI's completions, a page.

`http_checks` refuses invalid requests and unknown hosts, `app` receives the others, `protocol` and
`completions` parse them within `limits`, with what `requests` has for both. `decoding` waits for
the answers, or streams them; `batching` queues the lines for the one thread that decodes, with
`served_model`. `reloading` changes the checkpoint meanwhile. `server` starts and stops all of it.
`openapi` describes the interface. `client` queries such a server and doesn't need the extra
`serve`.
"""
