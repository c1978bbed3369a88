package vmm

import (
	"fmt"

	"github.com/hfvmm/hfvmm/ffa"
)

// plan checks the numbers of cfg and divides RAM: span 0 is the primary's, i the i-th secondary's.
func plan(cfg *Config) ([]span, error) {
	if err := checkMachine(cfg); err != nil {
		return nil, err
	}
	for i := range cfg.Secondaries {
		if err := checkSecondary(cfg, &cfg.Secondaries[i]); err != nil {
			return nil, err
		}
	}
	if err := checkPartitions(cfg); err != nil {
		return nil, err
	}
	return carve(cfg.Memory, cfg.Secondaries)
}

// checkMachine checks what is said of the primary and of the whole machine.
func checkMachine(cfg *Config) error {
	switch n := len(cfg.Secondaries); {
	case cfg.CPUs < 1 || cfg.CPUs > maxCPUs:
		return fmt.Errorf("%w: %d CPUs; give the primary 1 to %d", ErrUsage, cfg.CPUs, maxCPUs)
	case cfg.ReportedCPUs < 0 || cfg.ReportedCPUs > ffa.MaxVCPUs:
		return fmt.Errorf("%w: %d CPUs to report to the primary; report 1 to %d", ErrUsage, cfg.ReportedCPUs, ffa.MaxVCPUs)
	case cfg.Slice < minSlice:
		return fmt.Errorf("%w: a slice of %v is over before a secondary has run; give it %v or more", ErrUsage, cfg.Slice, minSlice)
	case cfg.Builtin() && n == 0:
		return fmt.Errorf("%w: neither a primary nor a secondary; give one", ErrUsage)
	case cfg.Builtin() && builtinABIs[cfg.ABI] == nil:
		return fmt.Errorf("%w: the built-in scheduler does not speak %v; give a primary that does, or choose --abi %v or %v", ErrUsage, cfg.ABI, SPCI, HF)
	case cfg.Watchdog != 0 && (cfg.Builtin() || !cfg.SDEI.serves(0)):
		return fmt.Errorf("%w: the watchdog raises an SDEI event, and the primary has no SDEI; add --sdei primary", ErrUsage)
	case cfg.ABI == FFA && cfg.Check != CheckOff:
		return fmt.Errorf("%w: the duties of a scheduler are checked under the interfaces of 2019 alone; leave --check-scheduler off with --abi ffa", ErrUsage)
	case n >= ffa.MaxPartitions:
		return fmt.Errorf("%w: %d secondaries; give at most %d", ErrUsage, n, ffa.MaxPartitions-1)
	}
	return nil
}

// checkSecondary checks the numbers of one secondary, and that it fits the interface.
func checkSecondary(cfg *Config, s *Secondary) error {
	switch {
	case s.VCPUs < 1 || s.VCPUs > maxSecondaryVCPUs:
		return fmt.Errorf("%w: secondary %s has %d vCPUs; give it 1 to %d", ErrUsage, s.Name, s.VCPUs, maxSecondaryVCPUs)
	case s.GIC && cfg.ABI != FFA:
		return fmt.Errorf("%w: secondary %s has a GIC, and only FF-A knows such VMs; choose --abi ffa", ErrUsage, s.Name)
	case s.GIC && s.VCPUs > maxCPUs:
		return fmt.Errorf("%w: secondary %s has %d vCPUs and its GIC serves %d; give it no more", ErrUsage, s.Name, s.VCPUs, maxCPUs)
	}
	return nil
}
