/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Comparison with tolerances, and the result of one case. */

#ifndef GOLDEN_COMPARE_H
#define GOLDEN_COMPARE_H

#include "case.h"

/* What a tensor is, which decides its tolerance. */
typedef enum
{
  GOLDEN_EXACT,               /* token ids, timesteps */
  GOLDEN_SIGMAS,
  GOLDEN_RANDOM,
  GOLDEN_TEXT,
  GOLDEN_ENCODER,
  GOLDEN_DENOISER,
  GOLDEN_LATENTS,
  GOLDEN_DECODER,
  GOLDEN_TRACE,
  GOLDEN_PNG,                 /* levels of 255 */
  GOLDEN_N_KINDS
} GoldenKind;

typedef struct
{
  gboolean verbose;
  guint    compared, failed;
  gchar   *worst;             /* the tensor nearest to or farthest over its tolerance */
  gdouble  worst_ratio;       /* of error and tolerance */
  gdouble  worst_error;       /* max abs */
  gdouble  worst_tolerance;   /* at that element */
  gdouble  worst_relative;    /* RMS of the error over the reference's, largest of all */
  GHashTable *seen;           /* names of tensors compared */
} GoldenResult;

void     golden_result_init  (GoldenResult *result, gboolean verbose);
void     golden_result_clear (GoldenResult *result);

/* Compares n values. NaN fails. */
void     golden_compare      (GoldenResult *result, GoldenKind kind, const gchar *name,
                              const gfloat *expected, const gfloat *actual, gsize n);

/* Compares with a tensor of the case when it has one; shape mismatch fails. */
void     golden_check        (GoldenResult *result, GoldenCase *c, GoldenKind kind,
                              const gchar *name, PalShape shape, const gfloat *actual);

/* Notes a failure that is no number. */
void     golden_fail         (GoldenResult *result, const gchar *name, const gchar *format, ...)
                              G_GNUC_PRINTF (3, 4);

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (GoldenResult, golden_result_clear)

#endif
