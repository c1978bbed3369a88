// SPDX-License-Identifier: Apache-2.0
// The device tree that a primary starts with, as far as test programs read it (Devicetree Specification 0.4 §5).
#pragma once

#include <stdint.h>

// The text of /chosen/bootargs, or "" if there is none.
const char *fdt_bootargs(uint64_t fdt);
