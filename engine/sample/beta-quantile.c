/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Quantiles of the symmetric beta distribution: the regularised incomplete beta
 * function by its continued fraction (NIST DLMF 8.17.22), inverted by bisection. */

#include "sample/beta-quantile.h"

#include <math.h>

#define TINY 1e-300

/* Coefficient d_k of the fraction. */
static gdouble
coefficient (gint    k,
             gdouble x,
             gdouble a)
{
  gint m = k / 2;

  if (k % 2 == 0)
    return m * (a - m) * x / ((a + 2 * m - 1) * (a + 2 * m));

  return -(a + m) * (a + a + m) * x / ((a + 2 * m) * (a + 2 * m + 1));
}

/* I_x (a, a) for x <= 1/2, where the fraction converges fast; modified Lentz. */
static gdouble
incomplete_beta (gdouble x,
                 gdouble a)
{
  gdouble c = 1.0, d = 0.0, value = 1.0, change = 0.0;

  if (x <= 0.0)
    return 0.0;

  for (gint k = 1; k < 500 && fabs (change - 1.0) > 1e-16; k++)
    {
      gdouble e = coefficient (k, x, a);

      d = 1.0 + e * d;
      d = 1.0 / (fabs (d) < TINY ? TINY : d);
      c = 1.0 + e / c;
      c = fabs (c) < TINY ? TINY : c;
      change = c * d;
      value *= change;
    }

  return exp (a * log (x) + a * log1p (-x) - (2.0 * lgamma (a) - lgamma (2.0 * a))) /
         (a * value);
}

gdouble
pal_beta_quantile (gdouble probability,
                   gdouble shape)
{
  gdouble low = 0.0, high = 0.5;

  if (probability > 0.5)
    return 1.0 - pal_beta_quantile (1.0 - probability, shape);

  for (gint i = 0; i < 200 && high - low > 1e-17; i++)
    {
      gdouble middle = (low + high) / 2.0;

      if (incomplete_beta (middle, shape) < probability)
        low = middle;
      else
        high = middle;
    }

  return probability > 0.0 ? (low + high) / 2.0 : 0.0;
}
