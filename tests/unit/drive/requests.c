/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What a request may hold: each wrong value named with its range, zeros replaced by
 * the model's defaults. */

#include <math.h>
#include <string.h>

#include "drive/request.h"

static gchar default_sampler[] = "unipc";

static const PalModelInfo info = {
  .steps = 16, .guidance = 3.0, .restyle_guidance = 1.5, .fill_strength = 0.9,
  .restyle_strength = 0.6, .sampler = default_sampler
};

static void
expect (PalRequest   request,
        const gchar *word)
{
  g_autoptr (GError) error = NULL;
  PalRequest         out;

  g_assert_false (pal_request_resolve (&request, &info, &out, &error));
  g_assert_error (error, PAL_ERROR, PAL_ERROR_ARGUMENT);
  if (! strstr (error->message, word))
    g_error ("\"%s\" does not name %s", error->message, word);
}

static void
test_refusals (void)
{
  g_autoptr (PalImage) source = pal_image_new (64, 64, 3);
  g_autoptr (PalImage) mask   = pal_image_new (64, 64, 1);
  g_autoptr (PalImage) other  = pal_image_new (64, 32, 1);
  g_autoptr (PalImage) tiny   = pal_image_new (4, 4, 3);
  PalRequest           fill   = { .intent = PAL_FILL, .source = source };
  PalRequest           r;

  r = fill; r.steps = 1001;            expect (r, "steps is 1001");
  r = fill; r.steps = -1;              expect (r, "from 1 to 1000");
  r = fill; r.guidance = 0.5;          expect (r, "guidance");
  r = fill; r.guidance = 51;           expect (r, "from 1 to 50");
  r = fill; r.guidance = (gdouble) NAN; expect (r, "guidance");
  r = fill; r.strength = 1.5;          expect (r, "strength is 1.5");
  r = fill; r.strength = -0.1;         expect (r, "strength");
  r = fill; r.strength = (gdouble) NAN; expect (r, "strength");
  r = fill; r.eta = 1.1;               expect (r, "eta");
  r = fill; r.sampler = "magic";       expect (r, "magic");
  r = fill; r.intent = (PalIntent) 7;  expect (r, "intent");
  r = fill; r.source = NULL;           expect (r, "source");
  r = fill; r.source = tiny;           expect (r, "4 x 4");
  r = fill; r.mask = source;           expect (r, "mask has 3");
  r = fill; r.mask = other;            expect (r, "64 x 32");
  r = fill; r.mask = mask;             expect (r, "mask is 0 everywhere");
  r = (PalRequest) { .intent = PAL_GENERATE, .width = 40000, .height = 512 }; expect (r, "40000");
  r = (PalRequest) { .intent = PAL_GENERATE }; expect (r, "0 x 0");
}

static void
test_defaults (void)
{
  g_autoptr (PalImage) source = pal_image_new (64, 48, 4);
  PalRequest           fill   = { .intent = PAL_FILL, .source = source };
  PalRequest           out;

  g_assert_true (pal_request_resolve (&fill, &info, &out, NULL));
  g_assert_cmpint (out.steps, ==, 16);
  g_assert_cmpfloat (out.guidance, ==, 3.0);
  g_assert_cmpfloat (out.strength, ==, 0.9);
  g_assert_cmpstr (out.sampler, ==, "unipc");
  g_assert_cmpstr (out.prompt, ==, "");
  g_assert_cmpint (out.width, ==, 64);
  g_assert_cmpint (out.height, ==, 48);

  fill.intent = PAL_RESTYLE;
  g_assert_true (pal_request_resolve (&fill, &info, &out, NULL));
  g_assert_cmpfloat (out.guidance, ==, 1.5);
  g_assert_cmpfloat (out.strength, ==, 0.6);

  fill.guidance = 7.0;
  fill.strength = 0.2;
  fill.steps    = 3;
  g_assert_true (pal_request_resolve (&fill, &info, &out, NULL));
  g_assert_cmpfloat (out.guidance, ==, 7.0);
  g_assert_cmpfloat (out.strength, ==, 0.2);
  g_assert_cmpint (out.steps, ==, 3);
}

int
main (int   argc,
      char *argv[])
{
  g_test_init (&argc, &argv, NULL);

  g_test_add_func ("/requests/refusals", test_refusals);
  g_test_add_func ("/requests/defaults", test_defaults);

  return g_test_run ();
}
