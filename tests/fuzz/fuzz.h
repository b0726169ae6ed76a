/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the fuzz entries share; each defines libFuzzer's LLVMFuzzerTestOneInput (). */

#ifndef FUZZ_H
#define FUZZ_H

#include <stddef.h>
#include <stdint.h>

#include <glib.h>

int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size);

/* The process's own temporary folder, gone when it ends. */
const gchar *fuzz_folder (void);

/* Writes the bytes to a file of that folder and returns its path. g_free () */
gchar       *fuzz_file   (const gchar *name, const void *data, gsize size);

/* The bytes as a string, up to the first zero; data may be NULL when there are none. g_free () */
gchar       *fuzz_text   (const void *data, gsize size);

#endif
