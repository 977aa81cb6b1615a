package iscsitest_test

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/goscst/goscst/backstore/mem"
	"github.com/goscst/goscst/fabric/iscsi"
	"github.com/goscst/goscst/fabric/iscsi/iscsitest"
	"github.com/goscst/goscst/internal/leak"
	"github.com/goscst/goscst/scsi"
	"github.com/goscst/goscst/scsi/disk"
	"github.com/goscst/goscst/scsi/engine"
)

func TestMain(m *testing.M) { leak.Main(m) }

const name = "iqn.2026-11.com.example:disk"

var bg = context.Background()

// serve serves a disk of a MiB in memory.
func serve(t testing.TB) (address string, srv *iscsi.Server) {
	e := engine.New(nil)
	d, err := e.AddDevice("ram", disk.New(mem.New(1<<20), nil), nil)
	require.NoError(t, err)
	tgt, err := e.AddTarget(name, nil)
	require.NoError(t, err)
	require.NoError(t, tgt.Map(0, d, nil))
	tgt.Enable()
	srv = &iscsi.Server{Engine: e}
	addr, err := srv.Listen("127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() {
		require.NoError(t, srv.Close())
		require.NoError(t, e.Close())
	})
	return addr.String(), srv
}

func ready(t testing.TB, i *iscsitest.Initiator) {
	for range 8 {
		if _, err := i.Do(bg, 0, make([]byte, 6), nil, nil); err == nil {
			return
		}
	}
	require.FailNow(t, "unit attentions do not end")
}

func TestReadsWhatItWrites(t *testing.T) {
	address, _ := serve(t)
	for _, opts := range []iscsitest.Options{
		{},
		{HeaderDigest: true, DataDigest: true},
		{Keys: []string{"ImmediateData=No", "MaxBurstLength=4096"}},
		{Keys: []string{"FirstBurstLength=1024", "MaxRecvDataSegmentLength=512"}},
	} {
		t.Run(fmt.Sprint(opts), func(t *testing.T) {
			opts.Target = name
			i, err := iscsitest.Login(bg, address, &opts)
			require.NoError(t, err)
			defer i.Close()
			ready(t, i)
			rnd := rand.New(rand.NewPCG(3, 4))
			for _, blocks := range []uint32{1, 8, 129, 2048} {
				out := make([]byte, blocks*512)
				for k := range out {
					out[k] = byte(rnd.Uint32())
				}
				r, err := i.Do(bg, 0, scsi.AppendWrite16(nil, 0, blocks), out, nil)
				require.NoError(t, err)
				require.Zero(t, r.Residual)
				in := make([]byte, len(out)+512)
				r, err = i.Do(bg, 0, scsi.AppendRead16(nil, 0, blocks), nil, in)
				require.NoError(t, err)
				require.Equal(t, int64(512), r.Residual)
				require.Equal(t, len(out), r.N)
				require.True(t, bytes.Equal(out, in[:r.N]))
			}
			r, err := i.Do(bg, 0, scsi.AppendRead16(nil, 1<<40, 1), nil, make([]byte, 512))
			require.ErrorIs(t, err, scsi.LBAOutOfRange)
			require.NotEmpty(t, r.Sense)
		})
	}
}

func TestManyAtOnce(t *testing.T) {
	address, _ := serve(t)
	i, err := iscsitest.Login(bg, address, &iscsitest.Options{Target: name})
	require.NoError(t, err)
	defer i.Close()
	ready(t, i)
	var wg sync.WaitGroup
	for g := range 200 {
		wg.Go(func() {
			for range 5 {
				out := bytes.Repeat([]byte{byte(g)}, 4096)
				_, err := i.Do(bg, 0, scsi.AppendWrite16(nil, uint64(g)*8, 8), out, nil)
				require.NoError(t, err)
				in := make([]byte, 4096)
				_, err = i.Do(bg, 0, scsi.AppendRead16(nil, uint64(g)*8, 8), nil, in)
				require.NoError(t, err)
				require.True(t, bytes.Equal(out, in))
			}
		})
	}
	wg.Wait()
}

func TestDiscover(t *testing.T) {
	address, _ := serve(t)
	list, err := iscsitest.Discover(bg, address, "")
	require.NoError(t, err)
	require.Equal(t, []iscsitest.Target{{Name: name, Addresses: []string{address + ",1"}}}, list)
}

func TestEnds(t *testing.T) {
	address, srv := serve(t)
	_, err := iscsitest.Login(bg, address, &iscsitest.Options{Target: "iqn.2026-11.com.example:other"})
	require.ErrorContains(t, err, "refused")
	i, err := iscsitest.Login(bg, address, &iscsitest.Options{Target: name})
	require.NoError(t, err)
	done, cancel := context.WithCancel(bg)
	cancel()
	_, err = i.Do(done, 0, make([]byte, 6), nil, nil)
	require.ErrorIs(t, err, context.Canceled)
	require.NoError(t, i.Close())
	_, err = i.Do(bg, 0, make([]byte, 6), nil, nil)
	require.ErrorIs(t, err, iscsitest.ErrClosed)
	require.NoError(t, i.Close())

	i, err = iscsitest.Login(bg, address, &iscsitest.Options{Target: name})
	require.NoError(t, err)
	require.NoError(t, srv.Shutdown(bg)) // asks for a logout, which it gets
	require.NoError(t, i.Close())
	_, err = net.Dial("tcp", address)
	require.Error(t, err)
}

func Example() {
	eng := engine.New(nil)
	defer eng.Close()
	tgt, err := eng.AddTarget(name, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	ram, err := eng.AddDevice("ram", disk.New(mem.New(1<<20), nil), nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	if err := tgt.Map(0, ram, nil); err != nil {
		fmt.Println(err)
		return
	}
	tgt.Enable()
	srv := &iscsi.Server{Engine: eng}
	addr, err := srv.Listen("127.0.0.1:0")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer srv.Close()
	list, err := iscsitest.Discover(context.Background(), addr.String(), "")
	fmt.Println(list[0].Name, err)
	// Output: iqn.2026-11.com.example:disk <nil>
}
