"""A trained model behind HTTP: TensorFlow Serving's REST form, dynamic batches, and a page.

A request comes in at `app`, is read by `protocol` within the bounds of `limits`, and waits in
`batching`'s queue for the one thread that decodes by `served`. `server` begins and ends it all;
`client` asks such a server, and needs none of the packages that serving does.
"""
