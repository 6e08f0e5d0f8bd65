package main

import (
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// fault is what happens to a connection after a number of bytes that the server wrote.
type fault struct {
	AfterBytes  int64  `json:"afterBytes"`
	Kind        string `json:"kind"`        // "close", "garbage" (one bit of each later byte is turned) or "stall"
	Connections int    `json:"connections"` // how many of the next connections; 0 means 1
}

// cuttable is a listener that knows its connections, even those that HTTP has given away, and can cut or spoil them.
type cuttable struct {
	net.Listener
	mu    sync.Mutex
	conns map[*faultyConn]bool
	next  fault
	muted map[string]bool // addresses to which nothing is said
}

func listenCuttable(address string) (*cuttable, error) {
	l, err := net.Listen("tcp", address)
	if err != nil {
		return nil, err
	}
	return &cuttable{Listener: l, conns: map[*faultyConn]bool{}, muted: map[string]bool{}}, nil
}

func (l *cuttable) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	f := &faultyConn{Conn: c, owner: l}
	if l.next.Connections > 0 {
		l.next.Connections--
		f.fault = l.next
	}
	f.muted.Store(l.muted[f.from()])
	l.conns[f] = true
	return f, nil
}

// setFault spoils the next connections.
func (l *cuttable) setFault(f fault) {
	l.mu.Lock()
	defer l.mu.Unlock()
	f.Connections = max(f.Connections, 1)
	l.next = f
}

// silence is who hears nothing more: what is written to them is lost, and their connections stay open.
type silence struct {
	Addresses []string `json:"addresses"`
	Connected bool     `json:"connected"` // only those that are connected; who connects anew is heard and answered
}

// mute begins a silence and returns how many connections it spoilt. A silence of nobody ends all: the connections that missed something are closed.
func (l *cuttable) mute(s silence) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	count := 0
	l.muted = map[string]bool{}
	for _, address := range s.Addresses {
		l.muted[address] = !s.Connected
	}
	for c := range l.conns {
		if _, muted := l.muted[c.from()]; muted {
			c.muted.Store(true)
			count++
		} else if c.muted.Load() {
			delete(l.conns, c)
			c.Conn.Close()
			count++
		}
	}
	return count
}

// cut closes all connections and returns how many there were.
func (l *cuttable) cut() int {
	l.mu.Lock()
	conns := l.conns
	l.conns = map[*faultyConn]bool{}
	l.mu.Unlock()
	for c := range conns {
		c.Conn.Close()
	}
	return len(conns)
}

// faultyConn counts what is written and applies its fault once.
type faultyConn struct {
	net.Conn
	owner   *cuttable
	fault   fault
	written atomic.Int64
	muted   atomic.Bool
}

// from is the address of the other side, without its port.
func (c *faultyConn) from() string {
	host, _, _ := net.SplitHostPort(c.RemoteAddr().String())
	return host
}

func (c *faultyConn) Write(b []byte) (int, error) {
	if c.muted.Load() {
		return len(b), nil
	}
	if c.fault.Kind == "" {
		return c.Conn.Write(b)
	}
	good := min(max(c.fault.AfterBytes-c.written.Load(), 0), int64(len(b)))
	c.written.Add(int64(len(b)))
	if good == int64(len(b)) {
		return c.Conn.Write(b)
	}
	switch c.fault.Kind {
	case "close":
		c.Conn.Write(b[:good])
		c.Conn.Close()
		return 0, net.ErrClosed
	case "stall":
		c.Conn.Write(b[:good])
		time.Sleep(time.Hour)
		return 0, net.ErrClosed
	default:
		spoilt := append([]byte(nil), b...)
		for i := good; i < int64(len(b)); i++ {
			spoilt[i] ^= 0x20
		}
		return c.Conn.Write(spoilt)
	}
}

func (c *faultyConn) Close() error {
	c.owner.mu.Lock()
	delete(c.owner.conns, c)
	c.owner.mu.Unlock()
	return c.Conn.Close()
}
