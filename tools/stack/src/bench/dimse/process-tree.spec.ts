import { expect, it } from 'vitest';

import { parseStat, treeOf } from './process-tree.js';

it('reads a process whose name holds spaces and parentheses', () => {
  const stat = '4711 (a ) b) S 42 4711 4711 0 -1 4194304 100 200 0 0 11 7 300 20 20 0 1 0 5000 1000000 250';
  expect(parseStat(stat)).toEqual({ pid: 4711, parent: 42, ticks: 11 + 7 + 300 + 20 });
});

it('a tree is a process and all below it, and nobody else', () => {
  const all = [
    { pid: 1, parent: 0, ticks: 1 },
    { pid: 2, parent: 1, ticks: 1 },
    { pid: 5, parent: 4, ticks: 1 },
    { pid: 4, parent: 2, ticks: 1 },
    { pid: 3, parent: 1, ticks: 1 },
  ];
  expect(treeOf(2, all).map(({ pid }) => pid)).toEqual([2, 4, 5]);
  expect(treeOf(9, all)).toEqual([]);
});
