/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The other side of the tape, for engine/op and engine/run alone: how an op appends
 * a step, and how a step becomes kernel launches. */

#ifndef PAL_RUN_STEP_H
#define PAL_RUN_STEP_H

#include "run/tape.h"

typedef struct _PalStep PalStep;
typedef struct _PalEmit PalEmit;

#define PAL_STEP_MAX_INPUTS  6
#define PAL_STEP_MAX_WEIGHTS 4
#define PAL_STEP_MAX_SCRATCH 2

typedef struct
{
  const gchar *name;
  guint        in_place;      /* bit i: the output may take input i's place when that dies here
                               * (same element count and dtype; each element is read only by the
                               * work-item that writes it) */
  /* Turns the step into one or more launches, once, when the program is made. */
  gboolean   (*emit) (PalEmit *emit, const PalStep *step, GError **error);
  guint64    (*flops) (const PalStep *step);    /* see PalWork; NULL = 0 */
} PalOp;

struct _PalStep
{
  const PalOp *op;
  gchar       *path;          /* name scope, for messages */
  PalTensor   *in[PAL_STEP_MAX_INPUTS];
  guint        n_in;
  PalTensor   *out;
  PalTensor   *scratch[PAL_STEP_MAX_SCRATCH];   /* live during this step alone */
  guint        n_scratch;
  PalWeight   *weight[PAL_STEP_MAX_WEIGHTS];    /* entries may be NULL: absent optional ones */
  guint        n_weights;
  gpointer     options;       /* the op's own, copied; plain data */
  gboolean     segment;       /* a block border stands before this step */
};

/* Recording, from an op's function. options: copied, may be NULL. */
PalStep    *pal_step_new     (PalTape *tape, const PalOp *op, gconstpointer options,
                              gsize options_bytes);
void        pal_step_input   (PalStep *step, PalTensor *x);                 /* in order */
PalTensor  *pal_step_scratch (PalTape *tape, PalStep *step, PalDType dtype, PalShape shape);
PalTensor  *pal_step_output  (PalTape *tape, PalStep *step, PalDType dtype, PalShape shape);

/* The weight "scope.name" in a packing; NULL and (if required) a sticky error when
 * absent. Add it to the step with pal_step_weight (), which takes NULL too. */
PalWeight  *pal_tape_weight  (PalTape *tape, const gchar *name, PalPacking packing, guint panel,
                              gboolean required);
void        pal_step_weight  (PalStep *step, PalWeight *weight);

/* What ops ask before choosing a kernel. */
PalDevice  *pal_tape_device  (PalTape *tape);
/* The best catalogue row for this device; NULL and a sticky error if there is none. rows:
 * how many (pixels, tokens, queries) the op makes, where the best row depends on it. */
const PalKernelRow *pal_tape_kernel     (PalTape *tape, const gchar *op);
const PalKernelRow *pal_tape_kernel_for (PalTape *tape, const gchar *op, gint64 rows);

/* Emission: begin a launch, give its arguments in the kernel's order, then go. The
 * first error sticks to the emit; pal_emit_go () returns FALSE then. */
PalDevice  *pal_emit_device (PalEmit *emit);
void        pal_emit_begin  (PalEmit *emit, const PalKernelRow *row, const gchar *defines_format,
                             ...) G_GNUC_PRINTF (3, 4);
/* Two arguments: buffer, ulong element offset. */
void        pal_emit_tensor (PalEmit *emit, const PalTensor *x);
/* One argument: buffer; NULL passes one that must not be read. */
void        pal_emit_weight (PalEmit *emit, const PalWeight *w);
void        pal_emit_int    (PalEmit *emit, gint32 value);
void        pal_emit_float  (PalEmit *emit, gfloat value);
/* global is rounded up to a multiple of local; local 0 in x = driver's choice. */
gboolean    pal_emit_go     (PalEmit *emit, gsize gx, gsize gy, gsize gz, gsize lx, gsize ly,
                             gsize lz, GError **error);

#endif
