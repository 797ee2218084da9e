"""A server of bundles: the Open Inference Protocol v2 over HTTP and gRPC, and faces as JSON.

    protocol, tensors, reports, prometheus    pure: bytes and dictionaries in, bytes and dictionaries out
    scheduler, turns, models                  engines: fair queue, batches, deadlines, reload
    access, connections, logs, memory         what is not trusted: who asks, how many, how often, how much
    http, faces, grpc                         the two doors, which call the same :mod:`handlers`
    server                                    opens the doors, and shuts them

Only ``http``, ``grpc`` and ``messages`` import more than numpy and the standard library.
"""
