"""Writing files: whole or not at all, where the path leads, with the mode that a file there has or the umask gives.

Every writer goes through here, so that a full disk, a kill, a device at the output's path and an output that is also an
input are dealt with once.
"""

from localnoise.files.aside import write_bytes as write_bytes
from localnoise.files.aside import write_figure as write_figure
from localnoise.files.aside import write_text as write_text
from localnoise.files.aside import written_aside as written_aside
from localnoise.files.h5 import hdf5 as hdf5
from localnoise.files.h5 import streamed as streamed
from localnoise.files.outputs import as_folder as as_folder
from localnoise.files.outputs import as_output as as_output
from localnoise.files.outputs import format_of as format_of
from localnoise.files.outputs import refuse_inputs as refuse_inputs
from localnoise.files.outputs import refuse_same as refuse_same
from localnoise.files.temporaries import temporary_folder as temporary_folder
