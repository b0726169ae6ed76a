/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the fuzz entries of files of tensors share. */

#ifndef FUZZ_TENSORS_H
#define FUZZ_TENSORS_H

#include "fuzz.h"

/* Any bytes as a file of tensors that begins so: refused, or every value of every tensor
 * readable; and as the parts of a model. start: written over the first bytes, may be empty. */
void fuzz_tensors (const uint8_t *data, size_t size, const void *start, size_t start_size);

#endif
