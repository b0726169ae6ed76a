/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the device tests share: the device under test, weight files, test ops. */

#ifndef DEVICE_SUPPORT_H
#define DEVICE_SUPPORT_H

#include "run/tape.h"

/* Sets up the tests and a cache folder of their own. Returns FALSE after a TAP "skip
 * all" when the device that PALIMPSEST_DEVICE names is not on this system. */
gboolean      device_test_init (gint *argc, gchar ***argv);

/* Runs the tests, then removes the cache folder. */
gint          device_test_run  (void);

/* The device under test; opened once, freed by device_test_run (), which checks that
 * no memory is left on it. */
PalDevice    *test_device      (void);

/* For programs that are no tests: what test_device () is from here on. */
void          device_test_use  (PalDevice *device);

/* One tensor of a weight file. */
typedef struct
{
  const gchar  *name;
  PalDType      dtype;
  PalShape      shape;
  gconstpointer data;
} TestTensor;

/* Weights of a temporary safetensors file, which is deleted at once. */
PalWeights   *test_weights     (const TestTensor *tensors, guint n);

/* A residency of weights "w" ([4] F32: 1, 2, 3, 4) and "a.w" ([2] F32: 10, 20). */
PalResidency *test_residency   (void);

/* Ops of F32 tensors of one size: scale * x + y, in place on x where the plan lets it;
 * x + shift + weight[i mod m] (weight may be NULL); copies that write past the end,
 * give one NaN, take their time; one that has scratch. */
PalTensor    *test_add         (PalTape *tape, PalTensor *x, PalTensor *y, gfloat scale);
PalTensor    *test_affine      (PalTape *tape, PalTensor *x, const gchar *weight, gfloat shift);
PalTensor    *test_stray       (PalTape *tape, PalTensor *x);
PalTensor    *test_nan         (PalTape *tape, PalTensor *x);
PalTensor    *test_slow        (PalTape *tape, PalTensor *x, gint turns);
PalTensor    *test_scratch     (PalTape *tape, PalTensor *x);

/* An op that is planned but can't be run: any number of inputs, of sizes of its own. */
PalTensor    *test_planned     (PalTape *tape, gsize n_bytes, guint n_in, PalTensor *const *in,
                                gsize scratch_bytes, gboolean in_place);

/* The rows of the tests' own kernels, by entry: "test_add", "broken" ... */
const PalKernelRow *test_row   (const gchar *entry);

/* error is set, of PAL_ERROR and this code, and its text has this part. */
void          test_error       (GError *error, PalErrorCode code, const gchar *part);

#define TEST_BINDING(name, array) { name, array, sizeof (array) }

#endif
