// SPDX-License-Identifier: Apache-2.0
// What the ffa_told partition is asked, in w3 of a direct request. It answers with its vCPU in w3, how often it was told of
// VMs that were created in w4 and destroyed in w5, and how often that vCPU started in w6.
#pragma once

#define TOLD_WHO    0u
#define TOLD_REFUSE 1u // and the next CPU_OFF is refused
#define TOLD_SPIN   2u // for as many microseconds as w4 says, or for ever
