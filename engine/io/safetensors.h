/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Reader of one safetensors file (huggingface/safetensors: 8-byte header length,
 * JSON header, data), memory-mapped. Every offset is checked against the file. */

#ifndef PAL_IO_SAFETENSORS_H
#define PAL_IO_SAFETENSORS_H

#include "pal-types.h"

typedef struct
{
  gchar        *name;
  PalDType      dtype;
  PalShape      shape;
  gconstpointer data;         /* inside the mapped file, not always aligned to dtype */
  gsize         n_bytes;
} PalTensorEntry;

typedef struct _PalSafetensors PalSafetensors;

PalSafetensors       *pal_safetensors_open  (const gchar *path, GError **error);
void                  pal_safetensors_free  (PalSafetensors *file);
gsize                 pal_safetensors_count (const PalSafetensors *file);
const PalTensorEntry *pal_safetensors_entry (const PalSafetensors *file, gsize index);
/* NULL if absent */
const PalTensorEntry *pal_safetensors_find  (const PalSafetensors *file, const gchar *name);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (PalSafetensors, pal_safetensors_free)

#endif
