"""A made-up charging platform of any size: the same arguments give the same rows on every machine.

Made in blocks of accounts, so memory stays flat; each block has random streams of its own for each topic.
"""

from evbilling_local.sample.load import load_folder
from evbilling_local.sample.settings import sample_settings
from evbilling_local.sample.writing import SampleSummary, write_sample, write_sample_files

__all__ = ["SampleSummary", "load_folder", "sample_settings", "write_sample", "write_sample_files"]
