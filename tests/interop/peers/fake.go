package main

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"time"

	"tailscale.com/net/tsaddr"
	"tailscale.com/tailcfg"
	"tailscale.com/tstest/integration/testcontrol"
	"tailscale.com/types/key"
)

// firstFakeID is where the IDs of invented nodes begin; real ones count from 1.
const firstFakeID = 1_000_000

// addFakes gives control count more nodes that exist nowhere, each as big as control plane peers are in the field, and
// returns the size of one as JSON.
func addFakes(s *testcontrol.Server, count int) int {
	makeNodeTable(s)
	size, already := 0, 0
	for _, n := range s.AllNodes() {
		if n.ID >= firstFakeID {
			already++
		}
	}
	for i := already; i < already+count; i++ {
		n := fakeNode(i)
		if size == 0 {
			text, _ := json.Marshal(n)
			size = len(text)
		}
		s.UpdateNode(n)
	}
	return size
}

// fakeNode is the i-th invented node. Its addresses are in 100.96.0.0/11, far from those of testcontrol.
func fakeNode(i int) *tailcfg.Node {
	ip := netip.AddrFrom4([4]byte{100, byte(96 + i>>16), byte(i >> 8), byte(i)})
	addresses := []netip.Prefix{netip.PrefixFrom(ip, 32), netip.PrefixFrom(tsaddr.Tailscale4To6(ip), 128)}
	created := time.Date(2025, 1, 2, 3, 4, 5, 0, time.UTC)
	online := i%2 == 0
	return &tailcfg.Node{
		ID:                tailcfg.NodeID(firstFakeID + i),
		StableID:          tailcfg.StableNodeID(fmt.Sprintf("nFAKE%06dCNTRL", i)),
		Name:              fmt.Sprintf("machine-%d.fake-control.example.net.", i),
		User:              1,
		Key:               key.NewNode().Public(),
		Machine:           key.NewMachine().Public(),
		DiscoKey:          key.NewDisco().Public(),
		MachineAuthorized: true,
		Addresses:         addresses,
		AllowedIPs:        addresses,
		Endpoints: []netip.AddrPort{
			netip.AddrPortFrom(netip.AddrFrom4([4]byte{192, 168, byte(i >> 8), byte(i)}), 41641),
			netip.AddrPortFrom(netip.AddrFrom4([4]byte{198, 51, 100, byte(i)}), uint16(20000+i%40000)),
			netip.AddrPortFrom(netip.AddrFrom4([4]byte{203, 0, 113, byte(i)}), 41641),
		},
		HomeDERP:  1,
		Cap:       tailcfg.CurrentCapabilityVersion,
		Created:   created,
		LastSeen:  &created,
		KeyExpiry: created.Add(5 * 365 * 24 * time.Hour),
		Online:    &online,
		Hostinfo: (&tailcfg.Hostinfo{
			OS:       "linux",
			Hostname: fmt.Sprintf("machine-%d", i),
			Services: []tailcfg.Service{{Proto: "peerapi4", Port: 35000}, {Proto: "peerapi6", Port: 35000}},
		}).View(),
	}
}
