package vmm

import (
	"path/filepath"
	"strings"
	"testing"
)

// A smaller size of addresses than the host's stands for whatever a limit may ask for: the processor of this
// host may say already what Hafnium's did.
func TestIDRegisterThatWasLimitedIsWhatEveryVCPUOfItsVMReads(t *testing.T) {
	var r record
	cfg := machine(t, &r, 1, "suite", "sysregs")
	cfg.Primary = Primary{Kernel: filepath.Join(guests, "suite_secondary.bin"), Cmdline: "run secondary id_registers_of_the_host"}
	m, err := build(cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer m.close()
	const smaller = 4 // 44 bits
	for _, v := range m.vms {
		if err := v.limitMMFR0(func(host uint64) (uint64, error) { return host&^paRange | smaller, nil }); err != nil {
			t.Fatal(err)
		}
	}
	ending, err := m.run(t.Context())
	if ending != PoweredOff || err != nil || !strings.HasSuffix(r.console.String(), "24\r\nPASS\r\n") {
		t.Errorf("ending %v, error %v\n%v", ending, err, &r)
	}
}
