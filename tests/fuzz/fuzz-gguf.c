/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Any bytes behind the mark of a GGUF file. */

#include "fuzz-tensors.h"

int
LLVMFuzzerTestOneInput (const uint8_t *data,
                        size_t         size)
{
  fuzz_tensors (data, size, "GGUF\3\0\0", 8);

  return 0;
}
