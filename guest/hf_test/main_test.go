//go:build linux

package main

import (
	"slices"
	"strings"
	"testing"
)

func TestArgumentsNameTestsAndTheirVMs(t *testing.T) {
	orders, err := parse([]string{"echo@2", "flood@3+65535"})
	if err != nil {
		t.Fatal(err)
	}
	if len(orders) != 2 || orders[0].name != "echo" || !slices.Equal(orders[0].vms, []int{2}) ||
		orders[1].name != "flood" || !slices.Equal(orders[1].vms, []int{3, 65535}) {
		t.Errorf("got %+v", orders)
	}
}

func TestArgumentsThatNameNothingAreRefused(t *testing.T) {
	for _, c := range []struct{ args, says string }{
		{"", "name a test"},
		{"ping@2", `no test "ping"`},
		{"echo", `"" is not the id of a VM`},
		{"echo@x", `"x" is not the id of a VM`},
		{"echo@65536", `"65536" is not the id of a VM`},
		{"echo@2+3", "needs 1 VMs"},
		{"echo@2 relay@3", "needs 2 VMs"},
	} {
		if orders, err := parse(strings.Fields(c.args)); err == nil {
			t.Errorf("%q became %+v", c.args, orders)
		} else if !strings.Contains(err.Error(), c.says) {
			t.Errorf("%q: %q does not say %q", c.args, err, c.says)
		}
	}
}
