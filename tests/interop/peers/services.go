package main

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"sync/atomic"
)

// What every tsnet node offers on its tailnet addresses, both families:
//
//	7/tcp   echo      7/udp   echo      9/tcp   sink: reads and counts      80/tcp  a page
//
// Its netstack answers ICMP and its PeerAPI answers by itself.
type services struct {
	node    *node
	mu      sync.Mutex
	ports   map[uint16]bool
	Sunk    atomic.Int64 // bytes that the sink read
	Echoed  atomic.Int64
	Packets atomic.Int64 // UDP packets echoed
}

const (
	echoPort = 7
	sinkPort = 9
	httpPort = 80
)

func startServices(n *node) (*services, error) {
	s := &services{node: n, ports: map[uint16]bool{}}
	if err := s.serveTCP(echoPort, s.echo); err != nil {
		return nil, err
	}
	if err := s.serveTCP(sinkPort, s.sink); err != nil {
		return nil, err
	}
	page, err := n.server.Listen("tcp", fmt.Sprintf(":%d", httpPort))
	if err != nil {
		return nil, err
	}
	go http.Serve(page, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "hello from %s to %s\n", n.options.Node, r.RemoteAddr)
	}))
	for _, ip := range []netip.Addr{n.ip4, n.ip6} {
		if !ip.IsValid() {
			continue
		}
		pc, err := n.server.ListenPacket("udp", netip.AddrPortFrom(ip, echoPort).String())
		if err != nil {
			return nil, err
		}
		go s.echoUDP(pc)
	}
	return s, nil
}

// serveEcho adds a TCP echo on another port.
func (s *services) serveEcho(port uint16) error { return s.serveTCP(port, s.echo) }

func (s *services) serveTCP(port uint16, handle func(net.Conn)) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ports[port] {
		return nil
	}
	l, err := s.node.server.Listen("tcp", fmt.Sprintf(":%d", port))
	if err != nil {
		return err
	}
	s.ports[port] = true
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				handle(c)
			}()
		}
	}()
	return nil
}

func (s *services) echo(c net.Conn) {
	n, _ := io.CopyBuffer(struct{ io.Writer }{c}, struct{ io.Reader }{c}, make([]byte, 256<<10))
	s.Echoed.Add(n)
}

func (s *services) sink(c net.Conn) {
	n, _ := io.CopyBuffer(struct{ io.Writer }{io.Discard}, struct{ io.Reader }{c}, make([]byte, 256<<10))
	s.Sunk.Add(n)
}

func (s *services) echoUDP(pc net.PacketConn) {
	buffer := make([]byte, 64<<10)
	for {
		n, from, err := pc.ReadFrom(buffer)
		if err != nil {
			return
		}
		s.Packets.Add(1)
		pc.WriteTo(buffer[:n], from)
	}
}
