/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Recording: model code calls ops, each op appends a step to the tape. Handles are
 * never NULL; the first error sticks to the tape and surfaces in pal_tape_finish ().
 * Tensors belong to their tape. Shapes are outermost first, activations channels
 * last. */

#ifndef PAL_RUN_TAPE_H
#define PAL_RUN_TAPE_H

#include <gio/gio.h>

#include "base/dtype.h"
#include "run/residency.h"

/* weights: where names are looked up and device copies live. */
PalTape    *pal_tape_new    (PalResidency *residency);
void        pal_tape_free   (PalTape *tape);

/* Makes every scope's result an output named by the scope's path (see pal_leave ()). */
void        pal_tape_trace  (PalTape *tape);

/* Keeps the weights of two segments at a time on the device, instead of all. */
void        pal_tape_stream (PalTape *tape);

PalTensor  *pal_input       (PalTape *tape, const gchar *name, PalDType dtype, PalShape shape);
void        pal_output      (PalTape *tape, const gchar *name, PalTensor *x);

/* Name scopes: weights named inside resolve as "outer.inner.name". pal_leave ()
 * closes the scope and hands x back; on a tracing tape x is published as an output
 * under the scope's path. */
void        pal_enter       (PalTape *tape, const gchar *format, ...) G_GNUC_PRINTF (2, 3);
PalTensor  *pal_leave       (PalTape *tape, PalTensor *x);

/* A block border: cancel is checked and weights may be swapped here. */
void        pal_segment     (PalTape *tape);

/* Whether the current scope has this tensor, "conv_shortcut.weight". */
gboolean    pal_has_weight  (PalTape *tape, const gchar *name);

PalShape    pal_shape_of    (const PalTensor *x);
PalDType    pal_dtype_of    (const PalTensor *x);

/* Views: no step, no copy. */
PalTensor  *pal_reshape     (PalTape *tape, PalTensor *x, PalShape shape);          /* same count */
/* Rows first .. first + n - 1 of the outermost dimension. */
PalTensor  *pal_rows        (PalTape *tape, PalTensor *x, gint64 first, gint64 n);

/* Sticky error with the current scope's path in front; returns a tensor that later
 * ops accept and ignore. */
PalTensor  *pal_tape_fail   (PalTape *tape, PalErrorCode code, const gchar *format, ...)
                             G_GNUC_PRINTF (3, 4);
gboolean    pal_tape_failed (const PalTape *tape);

/* Programs */

typedef struct
{
  guint64 arena_bytes;        /* activations as planned */
  guint64 bound_bytes;        /* largest sum of live tensors: no plan is smaller */
  guint64 weight_bytes;       /* of the weights this program uses, on the device */
  guint64 ring_bytes;         /* of what takes their place when they are streamed */
  guint   n_steps, n_launches, n_tensors;
} PalPlanReport;

/* Name, host memory, size. Inputs are read from data, outputs written to it, both
 * dense in the tensor's dtype. Every input must be bound; outputs may be left out. */
typedef struct
{
  const gchar *name;
  gpointer     data;
  gsize        n_bytes;
} PalBinding;

/* What recorded steps do, by the shapes alone and so whatever kernels do it. op: only steps
 * of this name; NULL = all. */
PalWork     pal_tape_work       (const PalTape *tape, const gchar *op);
PalWork     pal_program_work    (const PalProgram *program, const gchar *op);

/* What a program of the tape will need, without making it; n_launches is 0. */
gboolean    pal_tape_measure    (PalTape *tape, PalPlanReport *report, GError **error);

/* Plans, uploads weights that are not resident yet, builds kernels. Takes the tape
 * in any case. budget_bytes: limit for arena + weights, 0 = none; MEMORY with the
 * numbers when it does not fit. */
PalProgram *pal_tape_finish     (PalTape *tape, guint64 budget_bytes, GError **error);
gboolean    pal_program_run     (PalProgram *program, const PalBinding *bindings, gsize n_bindings,
                                 GCancellable *cancellable, GError **error);
void        pal_program_report  (const PalProgram *program, PalPlanReport *report);
/* Names, for traces; g_strfreev (). */
gchar     **pal_program_outputs (const PalProgram *program);
/* Of an input or output; n = 0 if there is none. */
PalShape    pal_program_shape   (const PalProgram *program, const gchar *name);
/* Gives up the memory of streamed weights until the program next runs. */
void        pal_program_release (PalProgram *program);
void        pal_program_free    (PalProgram *program);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (PalTape, pal_tape_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC (PalProgram, pal_program_free)

#endif
