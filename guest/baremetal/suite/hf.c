// SPDX-License-Identifier: Apache-2.0
// The interface of January 2019.
#include "suite.h"

#include "hf.h"

TEST(hf, ids_and_counts, "abi=hf cpus=2 vm=hf_echo vm=hf_flood")
{
	check(jan_call(JAN_VM_GET_ID, 0, 0, 0) == JAN_PRIMARY, "id");
	check(jan_call(JAN_VM_GET_COUNT, 0, 0, 0) == 3, "count");
	check(jan_call(JAN_VCPU_GET_COUNT, JAN_PRIMARY, 0, 0) == 2, "vCPUs of the primary");
	check(jan_call(JAN_VCPU_GET_COUNT, 1, 0, 0) == 1, "vCPUs of VM 1");
	check(jan_call(JAN_VCPU_GET_COUNT, 3, 0, 0) == (uint64_t)-1, "vCPUs of no VM");
}
