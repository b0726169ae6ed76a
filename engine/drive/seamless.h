/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A painted area whose colours meet those around it.
 *
 * What has to be added to the painting at a border, so that nothing steps there, is spread
 * into the area: seamless cloning (Perez, Gangnet, Blake 2003, doi 10.1145/882262.882269),
 * with two terms by which the inside keeps its own colours. The correction u of a pixel p
 * inside, whose neighbours in the picture are N (p), solves
 *
 *     sum over q in N (p) of (u_p - d_pq)  +  u_p / reach^2  =  0
 *
 * with d_pq = u_q for a q inside, source_q - painted_p for one outside; what is added is
 * u_p (1 - 3 t^2 + 2 t^3), t = (distance of p to the next pixel outside - 1) / reach, and
 * nothing from t = 1 on. Fine detail of a difference fades sooner than what is the same
 * along the whole border. */

#ifndef PAL_DRIVE_SEAMLESS_H
#define PAL_DRIVE_SEAMLESS_H

#include "base/image.h"

/* painted, source: [H, W, 3]; inside: [H, W, 1], not 0 where painted is to be corrected, in
 * place. reach_px > 0. FALSE when there is not enough memory. */
gboolean pal_seamless (PalImage       *painted,
                       const PalImage *source,
                       const PalImage *inside,
                       gdouble         reach_px,
                       GError        **error);

#endif
