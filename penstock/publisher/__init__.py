"""Publishing from anywhere: a web request, a notebook, an Airflow task. Acknowledged, or an error that says which."""

from penstock.publisher.asynchronous import AsyncPublisher
from penstock.publisher.synchronous import Publisher

__all__ = ["AsyncPublisher", "Publisher"]
