package block_test

import (
	"errors"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/goscst/goscst/backstore"
	"github.com/goscst/goscst/backstore/block"
)

func TestUnsupportedSystem(t *testing.T) {
	s, err := block.Open("no-such-device", nil)
	require.Error(t, err)
	require.Nil(t, s)
	require.Equal(t, runtime.GOOS != "linux", errors.Is(err, errors.ErrUnsupported))
	var _ backstore.Backstore = s
}
