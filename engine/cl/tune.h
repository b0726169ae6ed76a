/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Measured choices among the catalogue's rows: by device, and by how many rows an op makes.
 * They stand in kernels/tune.ini, which comes with the program, and in the user's tune.ini
 * in the cache folder, which goes first; the format is described in the former. Without an
 * entry the catalogue's order decides. */

#ifndef PAL_CL_TUNE_H
#define PAL_CL_TUNE_H

#include "cl/device.h"

/* What is chosen together: ops that read one packing of a weight must agree. */
typedef struct
{
  const gchar *name;          /* "products" */
  const gchar *ops[4];        /* NULL-terminated */
} PalTuneSubject;

/* Ops of few rows (pixels, tokens, queries) may want another kernel than those of many. */
typedef struct
{
  const gchar *name;          /* "few" */
  gint64       most_rows;
} PalTuneClass;

#define PAL_TUNE_N_CLASSES 3

const PalTuneSubject *pal_tune_subjects (gsize *n_subjects);
const PalTuneClass   *pal_tune_classes  (void);        /* PAL_TUNE_N_CLASSES of them */

/* The row for an op that makes this many rows. NULL if the device can run none. */
const PalKernelRow *pal_tune_pick   (PalDevice *device, const gchar *op, gint64 rows);

/* Lets the device use a variant for an op; NULL: what the catalogue's order says. FALSE when
 * the op has no such variant that the device can run. */
gboolean            pal_tune_choose (PalDevice *device, const gchar *op, guint class_index,
                                     const gchar *variant);

/* Takes the entries for this device; those that fit no longer are passed over. */
void                pal_tune_load   (PalDevice *device);

/* The user's file. */
gchar              *pal_tune_path   (void);

/* One measured choice. */
typedef struct
{
  guint        subject, class_index;
  const gchar *variant;
} PalTuneEntry;

/* The device's block, as text; and the same put into a file in place of its block there. */
gchar              *pal_tune_block  (PalDevice *device, const PalTuneEntry *entries,
                                     gsize n_entries, GError **error);
gboolean            pal_tune_save   (PalDevice *device, const PalTuneEntry *entries,
                                     gsize n_entries, const gchar *path, GError **error);

#endif
