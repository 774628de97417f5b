"""Variables that libraries read themselves. They are declared here because a secret among them may come from a file."""

from ingestion.config.kinds import VERBATIM
from ingestion.config.setting import Setting


def _store(name: str, meaning: str, *, is_secret: bool = False, on_schedule: bool = False) -> Setting:
    return Setting(name, VERBATIM, meaning, is_secret=is_secret, on_schedule=on_schedule, reader="the object store")


STORAGE_SETTINGS = (
    _store("AWS_REGION", "the region of an S3 bucket", on_schedule=True),
    _store("AWS_ENDPOINT_URL", "the URL of another S3 service than Amazon's", on_schedule=True),
    _store("AWS_ACCESS_KEY_ID", "the key for S3", is_secret=True, on_schedule=True),
    _store("AWS_SECRET_ACCESS_KEY", "the secret of that key", is_secret=True, on_schedule=True),
    _store("AWS_SESSION_TOKEN", "the token of a temporary key", is_secret=True, on_schedule=True),
    _store("AZURE_CLIENT_SECRET", "the secret of an Azure application", is_secret=True),
    _store("AZURE_STORAGE_CLIENT_SECRET", "the same", is_secret=True),
    _store("AZURE_STORAGE_ACCOUNT_KEY", "the key of an Azure storage account", is_secret=True),
    _store("AZURE_STORAGE_ACCESS_KEY", "the same", is_secret=True),
    _store("AZURE_STORAGE_MASTER_KEY", "the same", is_secret=True),
    _store("AZURE_STORAGE_CONNECTION_STRING", "the connection string of an Azure storage account", is_secret=True),
    _store("AZURE_STORAGE_SAS_TOKEN", "a shared access signature", is_secret=True),
    _store("AZURE_STORAGE_SAS_KEY", "the same", is_secret=True),
    _store("AZURE_STORAGE_TOKEN", "a bearer token for Azure", is_secret=True),
    _store("AZURE_STORAGE_KEY", "the key of an Azure storage account", is_secret=True),
    _store("GOOGLE_SERVICE_ACCOUNT_KEY", "the key of a Google service account, as JSON", is_secret=True),
    _store("GOOGLE_BEARER_TOKEN", "a bearer token for Google", is_secret=True),
)
