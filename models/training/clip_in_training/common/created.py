"""When a bundle was made."""

import datetime
import os


def created() -> str:
    """The current time in UTC, or SOURCE_DATE_EPOCH if that is set (reproducible builds)."""
    epoch = os.environ.get("SOURCE_DATE_EPOCH")
    moment = datetime.datetime.fromtimestamp(
        int(epoch) if epoch else int(datetime.datetime.now().timestamp()), datetime.timezone.utc
    )
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
