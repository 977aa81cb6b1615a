package backstore_test

import (
	"bytes"
	"context"
	"fmt"
	"sync/atomic"

	"github.com/goscst/goscst/backstore"
	"github.com/goscst/goscst/backstore/mem"
)

// counted counts reads. It leaves data and addresses alone, so it embeds Passthrough and keeps what
// the store below it can do, less the ways to read that it does not see.
type counted struct {
	backstore.Passthrough
	reads atomic.Int64
}

func (c *counted) Readv(ctx context.Context, iov [][]byte, off int64) error {
	c.reads.Add(1)
	return c.Inner.Readv(ctx, iov, off)
}

func Example() {
	ctx := context.Background()
	c := &counted{}
	c.Inner = mem.New(64 << 20)
	c.Hide = backstore.CapReads
	defer c.Close()

	block := make([]byte, 512)
	if err := c.Readv(ctx, [][]byte{block}, 4096); err != nil {
		panic(err)
	}
	a := backstore.Resolve(c)
	fmt.Println(c.reads.Load(), "read; can be unmapped:", a.Unmapper != nil, "lends memory:", a.Lender != nil)
	// Output: 1 read; can be unmapped: true lends memory: false
}

// An image in memory, or anything else with ReadAt, is a read-only disk.
func ExampleFromReaderAt() {
	image := bytes.NewReader(make([]byte, 8<<20))
	b := backstore.FromReaderAt(image, backstore.Geometry{Size: image.Size(), BlockSize: 512})
	fmt.Println(b.Geometry().Blocks(), b.Geometry().ReadOnly)
	fmt.Println(b.Writev(context.Background(), [][]byte{make([]byte, 512)}, 0))
	// Output:
	// 16384 true
	// backstore: read-only
}
