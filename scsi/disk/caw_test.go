package disk_test

import (
	"encoding/binary"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/goscst/goscst/backstore"
	"github.com/goscst/goscst/backstore/mem"
	"github.com/goscst/goscst/scsi"
	"github.com/goscst/goscst/scsi/disk"
)

func TestCompareAndWrite(t *testing.T) {
	for name, hide := range map[string]backstore.Cap{"native": 0, "emulated": backstore.CapCompareAndWrite} {
		t.Run(name, func(t *testing.T) {
			store := newHooked(newMem(t, nil), hide)
			r := newRecorder(t, store, nil)
			for _, n := range []int{1, 2, 255} {
				old, next := pattern(byte(n), n*512), pattern(byte(n)+100, n*512)
				fill(t, store.Inner, old, 5*512)
				for _, at := range []int{0, 511, n*512 - 1} {
					wrong := append(append([]byte(nil), old...), next...)
					wrong[at] ^= 1
					res := r.Do(cdb(scsi.OpCompareAndWrite, 5, uint32(n)), wrong)
					requireSense(t, scsi.MiscompareVerify, res)
					require.True(t, res.Sense.Valid)
					require.Equal(t, uint64(at), res.Sense.Info)
					require.Equal(t, old, contents(t, store.Inner)[5*512:(5+n)*512])
				}
				requireGood(t, r.Do(cdb(scsi.OpCompareAndWrite, 5, uint32(n)), append(append([]byte(nil), old...), next...)))
				require.Equal(t, next, contents(t, store.Inner)[5*512:(5+n)*512])
			}
			requireGood(t, r.Do(cdb(scsi.OpCompareAndWrite, 5, 0), nil))
			requireField(t, 13, 7, r.Do(cdb(scsi.OpCompareAndWrite, 0, 0), make([]byte, 2*256*512))) // 256 does not fit
			for _, bytes := range []int{0, 512, 1536, 2048} {
				requireField(t, 13, 7, r.Do(cdb(scsi.OpCompareAndWrite, 0, 1), make([]byte, bytes)))
			}
		})
	}
}

// TestCompareAndWriteLimit: what VPD page B0h says is what is done.
func TestCompareAndWriteLimit(t *testing.T) {
	r := newRecorder(t, newMem(t, nil), &disk.Options{MaxTransfer: 20 * 512})
	require.Equal(t, byte(10), vpd(t, r, 0xB0)[1])
	requireGood(t, r.Do(cdb(scsi.OpCompareAndWrite, 0, 10), make([]byte, 20*512)))
	requireSense(t, scsi.InvalidFieldInCDB, r.Do(cdb(scsi.OpCompareAndWrite, 0, 11), make([]byte, 22*512)))
}

// TestCompareAndWriteFallback: a store that finds out that it cannot is emulated.
func TestCompareAndWriteFallback(t *testing.T) {
	store := newHooked(newMem(t, &mem.Options{Volatile: true}), 0)
	r := newRecorder(t, store, nil)
	store.set(refuse("CompareAndWrite"))
	requireGood(t, r.Do(cdb(scsi.OpCompareAndWrite, 0, 1, 8), append(make([]byte, 512), pattern(1, 512)...)))
	require.Equal(t, pattern(1, 512), contents(t, store.Inner)[:512])
}

// TestCompareAndWriteAtomic counts in a few blocks with COMPARE AND WRITE from several
// goroutines. Each block holds a counter and the number of its last writer in all of its
// words; lost or torn updates show as a sum that is too small or words that differ.
// Writers of other kinds move the counters of blocks of their own, by one each, within
// the same ranges.
func TestCompareAndWriteAtomic(t *testing.T) {
	const workers, rounds, shared = 4, 150, 3
	for name, hide := range map[string]backstore.Cap{"inline": 0, "workers": backstore.CapNowait} {
		t.Run(name, func(t *testing.T) {
			r := newRecorder(t, newMem(t, &mem.Options{Without: hide}), nil)
			value := func(n uint64) []byte {
				b := make([]byte, shared*512)
				for i := 0; i < len(b); i += 8 {
					binary.BigEndian.PutUint64(b[i:], n)
				}
				return b
			}
			stop := make(chan struct{})
			var others, adders sync.WaitGroup
			// Others write the value back that they have read, if it is still there: a COMPARE
			// AND WRITE of each width, and a WRITE of the same bytes to a neighbour.
			others.Go(func() {
				for i := uint64(0); ; i++ {
					select {
					case <-stop:
						return
					default:
					}
					if res := r.Do(cdb(scsi.OpWrite10, shared, 4), pattern(byte(i), 4*512)); res.Err != nil {
						t.Errorf("WRITE: %v", res.Err)
					}
					if res := r.Do(cdb(scsi.OpWriteSame10, shared, 4), pattern(byte(i), 512)); res.Err != nil {
						t.Errorf("WRITE SAME: %v", res.Err)
					}
				}
			})
			for w := range workers {
				adders.Go(func() {
					rng := rand.New(rand.NewPCG(1, uint64(w)))
					for range rounds {
						for {
							old := r.Do(cdb(scsi.OpRead10, 0, shared), nil).Data
							n := binary.BigEndian.Uint64(old)
							out := append(value(n), value(n+1)...)
							res := r.Do(cdb(scsi.OpCompareAndWrite, 0, shared), out)
							if res.Err == nil {
								break
							}
							if res.Code() != scsi.MiscompareVerify {
								t.Errorf("COMPARE AND WRITE: %v", res.Err)
								return
							}
							if rng.IntN(4) == 0 { // what is read may be torn; what is compared is not
								r.Do(cdb(scsi.OpVerify10, 0, shared), nil)
							}
						}
					}
				})
			}
			adders.Wait()
			close(stop)
			others.Wait()
			require.Equal(t, value(workers*rounds), r.Do(cdb(scsi.OpRead10, 0, shared), nil).Data)
		})
	}
}

// TestCompareAndWriteExcludes drives every other command that changes blocks into the
// middle of a COMPARE AND WRITE, between its comparison and its write: none may come
// through.
func TestCompareAndWriteExcludes(t *testing.T) {
	block := pattern(9, 512)
	for name, other := range map[string]struct {
		cdb []byte
		out []byte
	}{
		"WRITE(10)":        {cdb(scsi.OpWrite10, 1, 1), block},
		"WRITE(16)":        {cdb(scsi.OpWrite16, 0, 3), pattern(9, 1536)},
		"WRITE AND VERIFY": {cdb(scsi.OpWriteVerify10, 1, 1, 2), block},
		"WRITE SAME":       {cdb(scsi.OpWriteSame10, 0, 9), block},
		"WRITE SAME zero":  {cdb(scsi.OpWriteSame16, 0, 9, ndob|doUnmap), nil},
		"UNMAP":            {cdb(scsi.OpUnmap, 0, 24), []byte{0, 22, 0, 16, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9, 0, 0, 0, 0}},
		"COMPARE":          {cdb(scsi.OpCompareAndWrite, 1, 1), append(pattern(2, 512), block...)},
	} {
		for _, hide := range []backstore.Cap{0, backstore.CapNowait} {
			t.Run(name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					store := newHooked(newMem(t, nil), backstore.CapCompareAndWrite|hide)
					r := newRecorder(t, store, nil)
					inside, goOn := make(chan struct{}), make(chan struct{})
					var once sync.Once
					store.set(func(call string) error {
						if call == "Writev" {
							once.Do(func() { close(inside); <-goOn })
						}
						return nil
					})
					caw := r.Start(cdb(scsi.OpCompareAndWrite, 1, 1), append(make([]byte, 512), pattern(2, 512)...))
					<-inside
					task := r.Start(other.cdb, other.out)
					synctest.Wait()
					require.False(t, task.Ended())
					require.Equal(t, make([]byte, 512), contents(t, store.Inner)[512:1024])
					close(goOn)
					requireGood(t, caw.Wait())
					requireGood(t, task.Wait())
					require.NotEqual(t, pattern(2, 512), contents(t, store.Inner)[512:1024], "the other came after it")
				})
			})
		}
	}
}
