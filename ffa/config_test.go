package ffa

import (
	"strings"
	"testing"

	"github.com/hfvmm/hfvmm/hypercall"
)

func TestNewRefusesImpossibleMachines(t *testing.T) {
	vcpus := func(vm uint16, n int) (vs []*hypercall.VCPU) {
		for i := range n {
			vs = append(vs, &hypercall.VCPU{ID: hypercall.VCPUID{VM: vm, Index: uint16(i)}})
		}
		return vs
	}
	for name, c := range map[string]struct {
		change func(*Config)
		want   string
	}{
		"no VM":               {func(c *Config) { c.Partitions = nil }, "0 VMs"},
		"too many VMs":        {func(c *Config) { c.Partitions = make([]Partition, 65) }, "65 VMs"},
		"no memory":           {func(c *Config) { c.Memory = nil }, "no memory"},
		"no timer":            {func(c *Config) { c.Timer = nil }, "no timer"},
		"no stage 2":          {func(c *Config) { c.Stage2 = nil }, "no stage 2"},
		"no vCPU":             {func(c *Config) { c.Partitions[1].VCPUs = nil }, `VM "two": 0 vCPUs`},
		"too many vCPUs":      {func(c *Config) { c.Partitions[1].VCPUs = vcpus(1, 513) }, "513 vCPUs"},
		"vCPUs of another VM": {func(c *Config) { c.Partitions[1].VCPUs = vcpus(0, 1) }, "stands at place {1 0}"},
		"half a page":         {func(c *Config) { c.Partitions[0].RAM.Size = 100 }, "whole pages"},
		"RAM that wraps":      {func(c *Config) { c.Partitions[0].RAM.Base = ^uint64(0) &^ 0xFFF }, "whole pages"},
		"shared RAM":          {func(c *Config) { c.Partitions[1].RAM = c.Partitions[0].RAM }, `VMs "one" and "two" both own`},
		"reporting too much":  {func(c *Config) { c.PrimaryVCPUs = 513 }, "513 vCPUs of the primary"},
	} {
		t.Run(name, func(t *testing.T) {
			r := &rig{}
			cfg := Config{Memory: r, Timer: r, Stage2: &r.stage2, Partitions: []Partition{
				{Name: "one", VCPUs: vcpus(0, 1), RAM: ramOf(0)}, {Name: "two", VCPUs: vcpus(1, 2), RAM: ramOf(1)},
			}}
			if _, err := New(cfg); err != nil {
				t.Fatal(err)
			}
			c.change(&cfg)
			if _, err := New(cfg); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, want one with %q", err, c.want)
			}
		})
	}
}

func TestSecondaryStartsAtTheFirstByteWithTheSizeInX0(t *testing.T) {
	if b := SecondaryBoot(Span{0x1000, 0x2000}); b != (hypercall.Boot{Entry: 0x1000, X0: 0x2000}) {
		t.Errorf("%+v", b)
	}
}
