//go:build !scsidebug

package sgv

const debug = false

//lint:ignore U1000 only the methods of debug builds look at it
type debugBuf struct{}

//lint:ignore U1000 only the methods of debug builds look at it
type debugPool struct{}

func (b *Buf) debugCheck()         {}
func (b *Buf) debugBirth(bool)     {}
func (b *Buf) debugDeath()         {}
func (b *Buf) debugBury() *Buf     { return b }
func (b *Buf) debugStory() string  { return "" }
func (p *Pool) debugLeaks() string { return "" }
