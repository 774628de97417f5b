"""The transactions that load files and record them: one for several small files, one for each large file."""

from ingestion.file_transaction.context import Context
from ingestion.file_transaction.date_orders import DateOrders
from ingestion.file_transaction.files import Due, KnownContent, Outcome
from ingestion.file_transaction.loader import FileLoader
from ingestion.file_transaction.transactions import Transactions

__all__ = ["Context", "DateOrders", "Due", "FileLoader", "KnownContent", "Outcome", "Transactions"]
