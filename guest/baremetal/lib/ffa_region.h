// SPDX-License-Identifier: Apache-2.0
// Where the ffa_region partition has what its manifest describes, in bytes from its start, and what it is asked in w3 of a
// direct request. It answers in w3.
#pragma once

#define REGION_RX    0x20000u // one page
#define REGION_TX    0x21000u // one page
#define REGION_FIXED 0x22000u // two pages that it may only read
#define REGION_AFTER 0x24000u

#define REGION_DISCOVER 0u // the id of the first partition, by way of RX
#define REGION_MAP      1u // the error of RXTX_MAP
#define REGION_WRITE    2u // write at the offset in w4
