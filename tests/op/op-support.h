/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the op tests share: random operands in one place, one recorded op, comparison. */

#ifndef OP_SUPPORT_H
#define OP_SUPPORT_H

#include "device-support.h"
#include "op/op.h"

#define BENCH_MAX 8

/* A row of a table: a test, named by the op and the row, and a line of the bench. */
typedef struct
{
  const gchar  *op, *name;
  GTestDataFunc check;          /* ends in bench_check () */
  gconstpointer row;
} OpRow;

typedef void (*OpRowFunc) (const OpRow *row, gpointer data);

/* The tests of one file. */
typedef struct
{
  const gchar *name;
  void       (*rows)   (OpRowFunc visit, gpointer data);
  void       (*others) (void);  /* adds the tests that are no rows */
} OpSuite;

extern const OpSuite op_products, op_elements, op_norms;

/* All of them; NULL-terminated. */
extern const OpSuite *const op_suites[];

/* In OpSuite's rows (): visits each row of a table. */
#define OP_TEST_ROWS(op, table, func)                            \
  for (guint i = 0; i < G_N_ELEMENTS (table); i++)               \
    visit (&(OpRow) { op, table[i].name, func, &table[i] }, data)

/* One op under test: operands, their values in double for the reference. */
typedef struct
{
  const gchar *name;    /* of the row, for messages */
  gboolean     shifted; /* inputs are views with an offset */
  GRand       *random;
  TestTensor   weights[BENCH_MAX];
  gdouble     *weight_values[BENCH_MAX];
  guint        n_weights;
  PalBinding   bindings[BENCH_MAX + 1];  /* room for the result */
  PalShape     shapes[BENCH_MAX];
  gdouble     *input_values[BENCH_MAX];
  guint        n_inputs;
  PalTape     *tape;
} Bench;

void bench_init (Bench *bench, const gchar *name, gboolean shifted);
void bench_clear (Bench *bench);

/* Random values of this dtype in [-scale, scale] + shift → what the device will read. I8
 * comes with a scale for each row, and without shift; vectors are F16 then. */
gdouble *bench_weight (Bench *bench, const gchar *name, PalDType dtype, PalShape shape,
                       gdouble scale, gdouble shift);

/* Opens the weights so far; ops are recorded on bench->tape from here on. */
void bench_record (Bench *bench);

/* An F32 input of random values in [-scale, scale] + shift; *values is what it holds. */
PalTensor *bench_input (Bench *bench, PalShape shape, gdouble scale, gdouble shift,
                        gdouble **values);

/* An I32 input of values in [0, limit). */
PalTensor *bench_ids (Bench *bench, PalShape shape, gint limit, gdouble **values);

/* Runs what was recorded and compares y with the reference. nmse: largest allowed
 * sum ((y - reference)²) / sum (reference²). Twice, to see that a replay is equal bit
 * for bit. */
void bench_check (Bench *bench, PalTensor *y, PalShape shape, const gdouble *reference,
                  gdouble nmse);

/* For the bench: gets each program that bench_check () made and ran once. nmse: its error;
 * right: whether that is small enough. */
typedef void (*BenchTimer) (PalProgram *program, const PalBinding *bindings, gsize n_bindings,
                            gdouble nmse, gboolean right, gpointer data);

void bench_set_timer (BenchTimer timer, gpointer data);

/* What an op must refuse: its code, and words of the message. */
typedef struct
{
  const gchar *name;
  PalTensor *(*record) (PalTape *t, PalTensor *x);
  PalErrorCode code;
  const gchar *text;
} BenchRefusal;

/* Records the refused op on an input of this shape, and one that has to ignore its
 * result; the error surfaces when the tape is finished. */
void bench_refuse (Bench *bench, PalShape shape, const BenchRefusal *refusal);

/* Activations in double. */
gdouble reference_act (PalAct act, gdouble x);

#endif
