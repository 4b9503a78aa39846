"""One file a format; the first that recognises a file reads it."""

from datamodules.annotations.retrieval_formats.activitynet import ActivityNetJSON
from datamodules.annotations.retrieval_formats.didemo import DiDeMoJSON
from datamodules.annotations.retrieval_formats.format import RetrievalFormat
from datamodules.annotations.retrieval_formats.jsfusion import JSFusionCSV
from datamodules.annotations.retrieval_formats.lsmdc import LSMDCRows
from datamodules.annotations.retrieval_formats.msvd_descriptions import MSVDDescriptions
from datamodules.annotations.retrieval_formats.msvd_pickle import MSVDPickle
from datamodules.annotations.retrieval_formats.msvd_sentences import MSVDSentences
from datamodules.annotations.retrieval_formats.umt import UMTJSON

__all__ = ["FORMATS", "RetrievalFormat"]

FORMATS: list[RetrievalFormat] = [
    MSVDPickle(),  # first: it is no text
    DiDeMoJSON(),
    UMTJSON(),  # takes all other lists
    ActivityNetJSON(),
    JSFusionCSV(),
    LSMDCRows(),
    MSVDSentences(),
    MSVDDescriptions(),
]
