/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Quantiles of the symmetric beta distribution, for the beta spacing of sigmas. */

#ifndef PAL_SAMPLE_BETA_QUANTILE_H
#define PAL_SAMPLE_BETA_QUANTILE_H

#include <glib.h>

/* x in [0, 1] below which a Beta (shape, shape) value lies with the given
 * probability; shape > 0. Good to about 1e-14. */
gdouble pal_beta_quantile (gdouble probability, gdouble shape);

#endif
