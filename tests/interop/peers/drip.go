package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"
)

// dripping is one node's connection that is never quiet, so that a gap in it can be measured.
type dripping struct {
	flows  chan struct{} // closed when the first block is back
	ended  chan struct{} // closed when the fields below are set
	gap    time.Duration
	failed error
}

// registerDrip: node.drip starts one and returns when it flows; node.dripped waits for its end.
func registerDrip(p *program, ns *nodes) {
	var mu sync.Mutex
	drips := map[string]*dripping{}
	command(p, "node.drip", func(ctx context.Context, a struct {
		Node    string `json:"node"`
		To      string `json:"to"` // ip:port of an echo
		EveryMS int    `json:"everyMS"`
		Count   int    `json:"count"`
	}) (any, error) {
		n, err := ns.get(a.Node)
		if err != nil {
			return nil, err
		}
		d := &dripping{flows: make(chan struct{}), ended: make(chan struct{})}
		mu.Lock()
		drips[a.Node] = d
		mu.Unlock()
		c, err := n.server.Dial(ctx, "tcp", a.To)
		if err != nil {
			return nil, err
		}
		go d.run(c, time.Duration(a.EveryMS)*time.Millisecond, a.Count)
		select {
		case <-d.flows:
			return none{}, nil
		case <-d.ended:
			return nil, d.failed
		case <-ctx.Done():
			c.Close()
			return nil, ctx.Err()
		}
	})
	command(p, "node.dripped", func(ctx context.Context, a nodeArgument) (any, error) {
		mu.Lock()
		d := drips[a.Node]
		mu.Unlock()
		if d == nil {
			return nil, errors.New("nothing drips")
		}
		select {
		case <-d.ended:
			return map[string]any{"longestGapMS": milliseconds(d.gap)}, d.failed
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	})
}

const dripBytes = 64

// dripPatience: a connection that is silent for longer is dead.
const dripPatience = time.Minute

// run sends count blocks in a steady pace, compares what comes back, and notes the longest time in which nothing came back.
func (d *dripping) run(c net.Conn, every time.Duration, count int) {
	defer close(d.ended)
	defer c.Close()
	sent := make(chan error, 1)
	go func() { sent <- dripInto(c, every, count) }()
	block := make([]byte, dripBytes)
	for i := range count {
		began := time.Now()
		c.SetReadDeadline(began.Add(dripPatience))
		if _, err := io.ReadFull(c, block); err != nil {
			d.failed = fmt.Errorf("reading block %d of %d: %w", i, count, err)
			return
		}
		if !bytes.Equal(block, dripBlock(i)) {
			d.failed = fmt.Errorf("block %d of %d came back as another", i, count)
			return
		}
		if i == 0 {
			close(d.flows)
			continue
		}
		d.gap = max(d.gap, time.Since(began))
	}
	d.failed = <-sent
}

func dripInto(c net.Conn, every time.Duration, count int) error {
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for i := range count {
		<-ticker.C
		if _, err := c.Write(dripBlock(i)); err != nil {
			return fmt.Errorf("writing block %d of %d: %w", i, count, err)
		}
	}
	return nil
}

// dripBlock is another piece of the pattern for each number.
func dripBlock(i int) []byte {
	at := i * dripBytes % (len(pattern) - dripBytes)
	return pattern[at : at+dripBytes]
}
