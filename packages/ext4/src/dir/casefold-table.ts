/**
 * Unicode 12.1, the version that ext4's casefold feature is fixed to, as far as names need it and JavaScript does not tell it.
 * Numbers are in base 36. Made by scripts/make-casefold-table.mjs from CaseFolding.txt and DerivedAge.txt; not to be edited by
 * hand.
 */

/**
 * Case foldings of one character to one (status C): runs of `start, 2 * count + (step - 1), difference`; a start counts from the
 * one before.
 */
export const COMMON_FOLDINGS =
  "1t,1g,w 38,2,lj b,1a,w o,e,w 14,1d,1 1e,7,1 7,h,1 h,1b,1 1a,2,-3d 1,7,1 6,2,-7g 2,2,5u 1,5,1 4,2,5q " +
  "1,2,1 2,4,5p 2,2,1 3,2,27 1,2,5m 1,2,5n 1,2,1 2,2,5p 1,2,5r 2,2,5v 1,2,5t 1,2,1 4,2,5v 1,2,5x 2,2,5y " +
  "1,7,1 6,2,62 1,2,1 2,2,62 3,2,1 2,2,62 1,2,1 2,4,61 2,5,1 4,2,63 1,2,1 4,2,1 8,2,2 1,2,1 2,2,2 1,2,1 " +
  "2,2,2 1,j,1 j,j,1 j,2,2 1,5,1 4,2,-2p 1,2,-1k 1,15,1 14,2,-3m 2,j,1 o,2,8bv 1,2,1 2,2,-4j 1,2,8bs 3,2,1 " +
  "2,2,-5f 1,2,1x 1,2,1z 1,b,1 73,2,38 17,5,1 6,2,1 9,2,38 7,2,12 2,6,11 4,2,1s 2,4,1r 3,y,w i,i,w v,2,1 " +
  "d,2,8 1,2,-u 1,2,-p 4,2,-f 1,2,-m 2,p,1 o,2,-1i 1,2,-1c 3,2,-1o 1,2,-1s 2,2,1 2,2,-7 1,2,1 3,6,-3m " +
  "3,w,28 g,1s,w 28,z,1 16,1j,1 1i,2,f 1,f,1 f,2p,1 2p,24,1c 29b,24,5ls 13,2,5ls 6,2,5ls mj,c,-8 1oo,2,-4su " +
  "1,2,-4st 1,2,-4sk 1,4,-4si 2,2,-4sj 1,2,-4sc 1,2,-4ro 1,2,r7n 8,2e,-2bk 19,6,-2bk 8z,47,1 4b,2,-1m " +
  "5,2p,1 2w,g,-8 g,c,-8 g,g,-8 g,g,-8 g,c,-8 h,9,-8 f,g,-8 28,4,-8 2,4,-22 4,2,-5j9 a,8,-2e g,4,-8 2,4,-2s " +
  "e,4,-8 2,4,-34 2,2,-7 c,4,-3k 2,4,-3i 8c,2,-5st 4,2,-6gv 1,2,-6di 7,2,s 1a,w,g z,2,1 mr,1g,q 1fu,2m,1c " +
  "2o,2,1 2,2,-8af 1,2,-2xy 1,2,-89z 3,7,1 6,2,-8bg 1,2,-8al 1,2,-8bj 1,2,-8bi 2,2,1 3,2,1 9,4,-8cf 2,2t,1 " +
  "2z,5,1 7,2,1 nym,1b,1 1s,t,1 4i,f,1 g,1r,1 1z,5,1 4,2,-r9g 1,b,1 d,2,1 2,2,-wmg 3,5,1 6,l,1 k,2,-wn8 " +
  "1,2,-wnj 1,2,-wnf 1,2,-wn5 1,2,-wn8 2,2,-wlu 1,2,-wmi 1,2,-wlx 1,2,ps 1,d,1 e,2,1 2,2,-1c 1,2,-wn7 " +
  "1,2,-raw q2,4g,-tzk gj5,1g,w yn,28,14 4w,20,14 1jk,2u,1s 2e8,1s,w gww,1s,w o8w,1w,y";

/** Case foldings of one character to several (status F): the character, then what it folds to. */
export const FULL_FOLDINGS =
  "67,37,37 8g,2x,lj 95,jg,32 ds,2y,lo pc,qh,lk,ld q8,qt,lk,ld 13b,12d,136 61i,2w,mp 61j,38,lk 61k,3b,lm " +
  "61l,3d,lm 61m,2p,ji 61q,37,37 66o,qt,lv 66q,qt,lv,lc 66s,qt,lv,ld 66u,qt,lv,n6 680,64g,qh 681,64h,qh " +
  "682,64i,qh 683,64j,qh 684,64k,qh 685,64l,qh 686,64m,qh 687,64n,qh 688,64g,qh 689,64h,qh 68a,64i,qh " +
  "68b,64j,qh 68c,64k,qh 68d,64l,qh 68e,64m,qh 68f,64n,qh 68g,65c,qh 68h,65d,qh 68i,65e,qh 68j,65f,qh " +
  "68k,65g,qh 68l,65h,qh 68m,65i,qh 68n,65j,qh 68o,65c,qh 68p,65d,qh 68q,65e,qh 68r,65f,qh 68s,65g,qh " +
  "68t,65h,qh 68u,65i,qh 68v,65j,qh 68w,674,qh 68x,675,qh 68y,676,qh 68z,677,qh 690,678,qh 691,679,qh " +
  "692,67a,qh 693,67b,qh 694,674,qh 695,675,qh 696,676,qh 697,677,qh 698,678,qh 699,679,qh 69a,67a,qh " +
  "69b,67b,qh 69e,67k,qh 69f,q9,qh 69g,q4,qh 69i,q9,n6 69j,q9,n6,qh 69o,q9,qh 69u,67o,qh 69v,qf,qh " +
  "69w,q6,qh 69y,qf,n6 69z,qf,n6,qh 6a4,qf,qh 6aa,qh,lk,lc 6ab,qh,lk,ld 6ae,qh,n6 6af,qh,lk,n6 6aq,qt,lk,lc " +
  "6ar,qt,lk,ld 6as,qp,lv 6au,qt,n6 6av,qt,lk,n6 6b6,67w,qh 6b7,qx,qh 6b8,r2,qh 6ba,qx,n6 6bb,qx,n6,qh " +
  "6bg,qx,qh 1dkw,2u,2u 1dkx,2u,2x 1dky,2u,30 1dkz,2u,2u,2x 1dl0,2u,2u,30 1dl1,37,38 1dl2,37,38 " +
  "1dlf,12s,12u 1dlg,12s,12d 1dlh,12s,12j 1dli,132,12u 1dlj,12s,12l";

/** Code points that Unicode 12.1 does not assign: ranges of `start, length - 1`; a start counts from the end before. */
export const UNASSIGNED =
  "oo,1 7,3 8 2 l b2 13,1 1f,1 4 1k,7 s,3 7,a u 6p 1p,1 2u,d 1o,1 1e,1 g t,1 2 c,1g m 9,k 4y 9,1 3,1 n 8 " +
  "2,2 5,1 a,1 3,1 5,7 2,3 3 6,1 q,1 4 7,3 3,1 n 8 3 3 3,1 2 6,3 3,1 4,2 2,6 5 2,6 i,9 4 a 4 n 8 3 6,1 b 4 " +
  "4,1 2,e 5,1 d,6 8 4 9,1 3,1 n 8 3 6,1 a,1 3,1 4,7 3,3 3 6,1 j,9 3 7,2 4 5,2 3 2 3,2 3,2 4,2 d,3 6,2 4 " +
  "5,1 2,5 2,d m,4 e 4 o h,2 9 4 5,6 3 4,4 5,1 b,6 n 4 o b 6,1 a 4 5,6 3,6 2 5,1 b 3,c 5 9 4 1g 4 7,3 h,1 " +
  "r,1 3 j,2 p a 2,1 8,2 2,3 7 2 9,5 b,1 4,b 1n,3 u,10 3 2 6 p 2 o,1 6 2 7,1 b,1 5,v 21 11,3 14 11 g e,10 " +
  "5j 2,4 2,1 ai 5,1 8 2 5,1 16 5,1 y 5,1 8 2 5,1 g 1m 5,1 1w,1 x,2 r,5 2f,1 7,1 im,2 2i,6 e 8,a o,8 l,b e " +
  "4 3,b 2n,1 b,5 b,5 g b,5 2i,6 18,4 1z,9 w d,3 d,3 2,2 17,1 6,a 19,3 r,5 c,2 1r,1 1u u,1 c,5 b,5 f,1 g,1s " +
  "25,3 1a,2 39,7 1p,2 g,2 1p,6 18,1 c,7 18,4 6z 7w,1 7,1 13,1 7,1 9 2 2 2 w,1 1i g f,1 7 k,1 4 a 2u d,1 s " +
  "e,2 x,f y,e 3x,3 ig,o c,k 1ed,1 x,1 48 1c 45,4 1a 2,4 2,1 1l,6 3,d p,8 8 8 8 8 8 8 8 8 35,1b r 2i,b 5z,p " +
  "d,3 1t 2f,1 2w,4 18 2n 18,4 11,b 1c 5g7,9 g8h,f we,2 1k,8 9p,j 55,7 5d,1 6,1b 1i,3 b,5 1l,7 1z,7 d,5 " +
  "39,a v,2 27 c,3 y 1k,8 f,1 b,1 2w,n t,9 7,1 7,1 7,8 8 8 1l,7 3j,1 b,5 8md,b o,3 1e,3 6sv,1 2z,11 8,b 6,4 " +
  "r 6 2 3 3 3h,g a6,f 1t,1 1j,7 1b,1 r,5 1g k 5,3 6 3s,1 2 5b,2 7,1 7,1 7,1 4,2 8 8,9 k r k 3 g,1 f,x 3g,4 " +
  "4,3 1a,2 2h d,3 2,1a 1b,3l u,2 1e,e t,3 11,8 v,4 18,4 v 12,3 f,15 4f,1 b,5 11,3 11,3 15,7 1h,a 2,3z 8o,8 " +
  "n,9 9,47 7,1 2 19 3,2 2,1 o 21,7 a,1b k 3,4 y,2 s,4 2,1r 1l,3 l,1 1f 3,4 9 4 u,1 4,3 b,6 a,6 1t,v 14,3 " +
  "d,8 1j,2 u,1 s,4 r,6 5,b 8,27 22,1i 1g,c 1g,6 1b,7 b,85 w,3k 15,7 17,3p o,8 27,3 v,e 1w,a 2,1 q,6 b,5 1i " +
  "i,8 14,8 27,1 h l,a j 19,1s 8 2 5 g c,5 1o,4 b,5 5 9,1 3,1 n 8 3 6 b,1 3,1 4,1 2,5 2,4 8,1 8,2 6,3u 2j 2 " +
  "4,v 21,7 b,4l 1j,1 13,x 1y,a b,5 e,i 1m,6 b,1h s,1 g,3 h,5b 1p,2r 2c,b 2,4f 9,1 1b,1 c,q 21,7 2c,s 1m,7a " +
  "a 1a f,9 u,2 x,1 n f,20 8 3 19,2 2 3 a,7 b,5 7 3 12 3 7,6 b,8l q,5i 1f,c po,2t 34 6,a 5h,24b ts a,346 " +
  "g8,6ns fu,6 w b,3 3,2n v,1 7,9 1z,9 b 8 m,4 k,j3 2k,2s 24,3 1m,6 i,1r 5,r 4qh,7 l0,7bg 80,1c 4,g 5,7 " +
  "b1,1s3 30,4 e,2 a,6 b,1 9,3tn 6v,9 14,1 5d,m 1z,49 l,b 2g,8 q,3q 2e 20 3,1 2,1 3,1 5 d 2 8 1u 5,1 9 8 t " +
  "5 6 2,2 8 9h,1 85,1 jj,e 6 g,11r 8 i,1 8 3 6,5w 1a,2 f,1 b,3 3,a7 1n,4 2,zj 5i,1 h,14 25,3 b,3 3,ls " +
  "1x,23 1q,5d 5 s 3 2,1 2 b 5 2 2,5 2,3 2 2 2 4 3 2,1 2 2 2 2 2 3 2,1 5 8 5 5 2 b i,4 4 6 i,1f 3,7h 19,3 " +
  "2t,b g,1 g g 12,9 e,2 2m,2 1q,1k u,c 19,3 a,6 3,d 7,49 rb,9 e,2 c,4 39,b 2i,6 d,j d,3 1l,7 b,5 15,7 v,29 " +
  "d 2u 5,2 16,1 7,2 u,1 3s,b f,1 5,3 4,4 4,c 7,12f wyi,14 37a,a 67,1 4g3,d 5rm,2e6 f3,15r 3,1ekd 3,1ekd " +
  "3,1ekd 3,1ekd 3,1ekd 3,1ekd 3,1ekd 3,1ekd 3,1ekd 3,1ekd 3,1ekd 3 2,t 2p,3j 6p,1e6l";
