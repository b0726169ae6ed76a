/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Where the parts of a model lie in a checkpoint file and what their tensors are called
 * there. The names of the diffusers layout are the engine's own. */

#ifndef PAL_IO_NAMES_H
#define PAL_IO_NAMES_H

#include "io/tensor-file.h"

typedef struct _PalNameRule PalNameRule;

/* How one part of a model lies in a file. */
typedef struct
{
  const gchar       *part;      /* the folder that has it in the diffusers layout: "unet" */
  const gchar       *prefix;    /* of its tensors' names */
  const gchar       *probe;     /* the tensor behind the prefix that tells this layout */
  const PalNameRule *rules;     /* NULL: the names are the engine's */
} PalLayout;

/* NULL when the file has no such part. */
const PalLayout *pal_layout_find (const PalTensorFile *file, const gchar *part);

/* Whether the part is a text encoder of OpenCLIP's making. */
gboolean         pal_layout_is_open_clip (const PalLayout *layout);

/* The numbers that rules reckon with. */
typedef struct
{
  guint period;                 /* input blocks of a level of the U-Net */
  guint top;                    /* index of the decoder's innermost level */
} PalLayoutNumbers;

PalLayoutNumbers pal_layout_numbers (const PalTensorFile *file, const PalLayout *layout);

/* The engine's name of a tensor; NULL for one of another part. A result that holds "{q,k,v}"
 * stands for three tensors of a third of the rows each; one that ends in "'" is stored
 * transposed. g_free () */
gchar           *pal_layout_rename  (const PalLayout *layout, const PalLayoutNumbers *numbers,
                                     const gchar *name);

#endif
