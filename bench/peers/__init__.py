"""edgefer's INT8 beside that of other tools, each in an environment of its own."""
