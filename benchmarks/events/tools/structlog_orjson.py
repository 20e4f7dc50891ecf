"""structlog that renders with orjson, the quickest form that its documentation knows."""

import orjson
import structlog
from structlog_json import opened
from telling import told

renderer = structlog.processors.JSONRenderer(serializer=orjson.dumps)
told(lambda path: opened(path, renderer, binary=True))
