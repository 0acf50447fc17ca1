"""The item bank: one interface, and the places where items live."""

import os
import ssl

_certificates = ssl.get_default_verify_paths()
if not (_certificates.cafile or _certificates.capath):
    # Where a machine has no certificates at all, as in a small container, libgit2 could not even
    # be loaded, although nothing goes over the network with it: any folder satisfies it.
    os.environ["SSL_CERT_DIR"] = "/"
