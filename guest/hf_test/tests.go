//go:build linux

package main

import (
	"fmt"
	"time"

	"github.com/hfvmm/hfvmm/guest/mailbox"
)

// test drives so many VMs.
type test struct {
	vms int
	run func(vms []int, count int) ([]rate, error)
}

var tests = map[string]test{
	"echo":  {1, echo},
	"bulk":  {1, bulk},
	"relay": {2, relay},
	"flood": {2, flood},
}

// rate is how long so many messages of a size took. Each is counted once, wherever it went.
type rate struct {
	size, messages int
	took           time.Duration
	note           string
}

// open opens the mailboxes of the VMs; done closes them.
func open(vms []int) (boxes []*mailbox.Mailbox, done func(), err error) {
	done = func() {
		for _, m := range boxes {
			m.Close()
		}
	}
	for _, vm := range vms {
		m, err := mailbox.Open(vm)
		if err != nil {
			done()
			return nil, nil, err
		}
		boxes = append(boxes, m)
	}
	return boxes, done, nil
}

// echo sends one message after the other, and waits for each answer.
func echo(vms []int, count int) ([]rate, error) {
	boxes, done, err := open(vms)
	if err != nil {
		return nil, err
	}
	defer done()
	var rates []rate
	for _, size := range []int{1, 64, 1024, 4096} {
		start := time.Now()
		for i := range count {
			p := mailbox.Pattern(size, i)
			if err := boxes[0].Send(p); err != nil {
				return nil, fmt.Errorf("message %d: %w", i, err)
			}
			if err := boxes[0].Expect(p); err != nil {
				return nil, fmt.Errorf("message %d: %w", i, err)
			}
		}
		rates = append(rates, rate{size: size, messages: count, took: time.Since(start), note: "there and back"})
	}
	return rates, nil
}

// bulk sends full pages as fast as the mailbox takes them, while the answers are read.
func bulk(vms []int, count int) ([]rate, error) {
	const size = 4096
	boxes, done, err := open(vms)
	if err != nil {
		return nil, err
	}
	defer done()
	before, err := mailbox.VMStats(vms[0])
	if err != nil {
		return nil, err
	}
	start := time.Now()
	sent := make(chan error, 1)
	go func() {
		for i := range count {
			if err := boxes[0].Send(mailbox.Pattern(size, i)); err != nil {
				sent <- fmt.Errorf("message %d: %w", i, err)
				return
			}
		}
		sent <- nil
	}()
	for i := range count {
		if err := boxes[0].Expect(mailbox.Pattern(size, i)); err != nil {
			return nil, fmt.Errorf("answer %d: %w", i, err)
		}
	}
	if err := <-sent; err != nil {
		return nil, err
	}
	took := time.Since(start)
	after, err := mailbox.VMStats(vms[0])
	if err != nil {
		return nil, err
	}
	full := after["send_busy"] - before["send_busy"]
	return []rate{{size, count, took, fmt.Sprintf("there and back; mailbox full %d times", full)}}, nil
}

// relay sends messages by way of A, B and A again.
func relay(vms []int, count int) ([]rate, error) {
	const size = 64
	boxes, done, err := open(vms)
	if err != nil {
		return nil, err
	}
	defer done()
	self, err := mailbox.Primary()
	if err != nil {
		return nil, err
	}
	a, b := vms[0], vms[1]
	start := time.Now()
	for i := range count {
		p := mailbox.Pattern(size, i)
		if err := boxes[0].Send(append(fmt.Appendf(nil, "%d %d %d ", b, a, self), p...)); err != nil {
			return nil, fmt.Errorf("message %d: %w", i, err)
		}
		if err := boxes[0].Expect(p); err != nil {
			return nil, fmt.Errorf("message %d: %w", i, err)
		}
	}
	return []rate{{size, count, time.Since(start), fmt.Sprintf("%d → %d → %d → %d → %d", self, a, b, a, self)}}, nil
}

// floods is how many messages of flood count as one, since they go without us.
const floods = 4

// flood lets A overrun B. Each says how it was, and none of the messages may be missing or out of order.
func flood(vms []int, count int) ([]rate, error) {
	const size = 64 // what flood sends
	count *= floods
	boxes, done, err := open(vms)
	if err != nil {
		return nil, err
	}
	defer done()
	start := time.Now()
	p, err := boxes[0].Ask(fmt.Appendf(nil, "%d %d", vms[1], count))
	if err != nil {
		return nil, err
	}
	var sent, full int
	if _, err := fmt.Sscanf(string(p), "sent %d busy %d", &sent, &full); err != nil {
		return nil, fmt.Errorf("report of the sender: %s", mailbox.Brief(p))
	}
	if sent != count || full == 0 {
		return nil, fmt.Errorf("%s: want %d sent, and a full mailbox", mailbox.Brief(p), count)
	}
	if err := boxes[1].Expect(fmt.Appendf(nil, "received %d bad 0", count)); err != nil {
		return nil, err
	}
	took := time.Since(start)
	s, err := mailbox.VMStats(vms[0])
	if err != nil {
		return nil, err
	}
	if s["writable_notifications"] == 0 {
		return nil, fmt.Errorf("%s met a full mailbox, and was never told that it became writable", boxes[0].Name())
	}
	return []rate{{size, count, took, fmt.Sprintf("one way; mailbox full %d times", full)}}, nil
}
