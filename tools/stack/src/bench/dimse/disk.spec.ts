import { expect, it } from 'vitest';

import { mountOf } from './disk.js';

const mountInfo = [
  '21 1 254:0 / / rw,relatime - ext4 /dev/vda rw',
  '22 21 0:5 / /dev rw,nosuid - devtmpfs devtmpfs rw,size=12G',
  '30 21 0:40 / /srv/data\\040of\\040ct rw,relatime shared:1 master:2 - xfs /dev/vdb rw,attr2',
  '31 21 0:41 / /srv rw,relatime - btrfs /dev/vdc rw',
  '32 21 0:42 / /dev rw - tmpfs none rw',
  '',
].join('\n');

it.each([
  ['/', 'ext4', '/'],
  ['/devices', 'ext4', '/'],
  ['/srv/other', 'btrfs', '/srv'],
  ['/srv/data of ct', 'xfs', '/srv/data of ct'],
  ['/srv/data of ct/bench', 'xfs', '/srv/data of ct'],
  // The later mount covers the one before it.
  ['/dev/shm', 'tmpfs', '/dev'],
])('%s is on %s at %s', (path, type, mountPoint) => {
  expect(mountOf(path, mountInfo)).toMatchObject({ type, mountPoint });
});
