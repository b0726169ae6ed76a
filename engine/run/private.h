/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the files of engine/run share: tensors and tapes from the inside, the plan,
 * and a program with its launches. */

#ifndef PAL_RUN_PRIVATE_H
#define PAL_RUN_PRIVATE_H

#include "run/step.h"

/* Bytes to which each tensor's place is aligned, and the width of a canary. */
#define PAL_PLACE_BYTES 256

typedef struct
{
  guint slab;
  gsize offset_bytes;
} PalPlace;

struct _PalTensor
{
  PalShape   shape;
  PalDType   dtype;
  gsize      count;             /* elements */
  gsize      n_bytes;
  PalTensor *base;              /* whose memory a view shows; never itself a view; NULL if none */
  gsize      offset;            /* elements from base's first one */
  gchar     *label;             /* path of the step that makes it, or the input's name */

  /* Of tensors that are no views; filled by pal_plan (). */
  gint       first, last;       /* steps of the first write and last read; -1 = before the run */
  PalTensor *home;              /* whose memory it takes in place; NULL = its own */
  PalPlace   place;
};

typedef struct
{
  gchar     *name;
  PalTensor *tensor;
} PalPort;

struct _PalTape
{
  PalResidency *residency;
  GPtrArray    *steps;          /* PalStep */
  GPtrArray    *tensors;        /* PalTensor, views too */
  GPtrArray    *inputs;         /* PalPort */
  GPtrArray    *outputs;        /* PalPort */
  GString      *scope;          /* path of the open scopes */
  GArray       *scope_ends;     /* gsize: length of scope before each pal_enter () */
  gboolean      trace;
  gboolean      streamed;       /* weights are loaded as they are needed */
  gboolean      segment;        /* a border stands before the next step */
  GError       *error;          /* the first one; sticks */
  GPtrArray    *dead_steps;     /* PalStep: what ops fill after an error */
  PalTensor    *dead_tensor;
};

/* The tensor whose memory x shows: itself unless it is a view. */
PalTensor   *pal_tensor_base (const PalTensor *x);

PalPort     *pal_port_find   (GPtrArray *ports, const gchar *name);   /* NULL if absent */

/* Plan: where each tensor lies. */

typedef struct
{
  gsize    max_slab_bytes;      /* of one allocation */
  gboolean separate;            /* a slab for each tensor, nothing in place */
  gsize    guard_bytes;         /* kept free before and after each tensor; a multiple of
                                 * PAL_PLACE_BYTES */
} PalPlanOptions;

typedef struct
{
  GArray *slab_bytes;           /* gsize */
  guint64 arena_bytes;          /* their sum */
  guint64 bound_bytes;
  guint   n_tensors;            /* that have memory of their own */
} PalPlan;

/* Fills first, last, home and place of the tape's tensors. MEMORY when a tensor is
 * larger than a slab may be. */
gboolean     pal_plan        (PalTape *tape, const PalPlanOptions *options, PalPlan *plan,
                              GError **error);
void         pal_plan_clear  (PalPlan *plan);

/* Stream */

typedef struct _PalStream PalStream;

/* Cuts the tape's steps at its segments; allocates nothing. */
PalStream   *pal_stream_new     (PalTape *tape);
void         pal_stream_free    (PalStream *stream);
guint64      pal_stream_bytes   (const PalStream *stream);      /* of its ring */

/* The ring's memory: had before a run, given up between runs. */
gboolean     pal_stream_reserve (PalStream *stream, GError **error);
void         pal_stream_release (PalStream *stream);

/* Packs the weights of a segment into its slot. No work that uses the segment before
 * the last may be left in the queue. */
gboolean     pal_stream_load    (PalStream *stream, guint segment, GError **error);

/* Where a step finds a weight while its segment is loaded. */
PalBuffer   *pal_stream_buffer  (PalStream *stream, guint step, const PalWeight *weight);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (PalStream, pal_stream_free)

/* Program */

/* An argument whose buffer is known only while the program runs. */
typedef struct
{
  guint            arg;         /* index into args */
  guint            slab, step;
  const PalWeight *weight;      /* NULL: the slab's buffer */
} PalFixup;

typedef struct
{
  PalLaunch launch;             /* args is set when all are known */
  guint     first_arg;
  guint     step;
} PalCall;

struct _PalProgram
{
  PalTape   *tape;
  PalDevice *device;
  PalPlan    plan;
  PalWork    work;              /* of a run */
  gboolean   guarded;           /* the plan has room for canaries */
  PalArena  *arena;
  GPtrArray *own_slabs;         /* PalBuffer; empty: the arena's are used */
  GPtrArray *weights;           /* PalWeight, each once */
  PalStream *stream;            /* NULL: all weights are resident */
  GArray    *calls;             /* PalCall, in order */
  GArray    *args;              /* PalArg */
  GArray    *fixups;            /* PalFixup */
};

/* Turns the tape's steps into calls; builds kernels. */
gboolean     pal_emit_all    (PalProgram *program, GError **error);

/* The buffer of a slab; valid while the arena is taken. */
PalBuffer   *pal_program_slab (PalProgram *program, guint slab);

/* Uploads those of its weights that are not resident; of a stream, the first segment's. */
gboolean     pal_program_upload (PalProgram *program, GError **error);

/* Debug checks of a running program; before and after surround each step. */

typedef struct _PalWatch PalWatch;

PalWatch    *pal_watch_new   (PalProgram *program);   /* NULL when no switch is on */
gboolean     pal_watch_start (PalWatch *watch, GError **error);
gboolean     pal_watch_before (PalWatch *watch, guint step, GError **error);
gboolean     pal_watch_after  (PalWatch *watch, guint step, GError **error);
void         pal_watch_free  (PalWatch *watch);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (PalWatch, pal_watch_free)

/* Packing */

/* dtype and bytes on the device; SHAPE or UNSUPPORTED when the stored form can't be
 * packed so. */
gboolean     pal_pack_size   (const PalWeightView *view, PalPacking packing, guint panel,
                              PalDType *dtype, gsize *n_bytes, GError **error);

/* FORMAT when a stored value is not finite. */
gboolean     pal_pack_check  (const PalWeightView *view, const gchar *label, GError **error);

/* Writes the packed form to out; FORMAT when a value is not finite. label: the file,
 * for messages. */
gboolean     pal_pack        (const PalWeight *weight, const gchar *label, gpointer out,
                              GError **error);

#endif
