/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Any bytes behind the mark of an archive. */

#include "fuzz-tensors.h"

int
LLVMFuzzerTestOneInput (const uint8_t *data,
                        size_t         size)
{
  fuzz_tensors (data, size, "PK\3\4", 4);

  return 0;
}
