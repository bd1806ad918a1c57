/* What walk.c does for each operation.
 *
 * Made from the operation table by tools/generate.py (``make generate``): change the record, not this file.
 */
TWO(2, x + y) /* add */
TWO(3, x - y) /* sub */
TWO(4, x * y) /* mul */
TWO(5, x / y) /* truediv */
ONE(6, -x) /* neg */
ONE(7, x) /* pos */
TWO_CHECKED(8, CPyDef_numerics___power) /* pow */
ONE(11, fabs(x)) /* abs */
MANY(12, walk_dot) /* dot */
ONE_CHECKED(13, CPyDef_numerics___relu) /* relu */
ONE(14, exp(x)) /* exp */
ONE(15, expm1(x)) /* expm1 */
ONE(16, log(x)) /* log */
ONE(17, log1p(x)) /* log1p */
ONE(18, log2(x)) /* log2 */
ONE(19, log10(x)) /* log10 */
ONE(20, sqrt(x)) /* sqrt */
ONE_CHECKED(21, CPyDef_numerics___cbrt) /* cbrt */
ONE(22, sin(x)) /* sin */
ONE(23, cos(x)) /* cos */
ONE(24, tan(x)) /* tan */
ONE(25, asin(x)) /* asin */
ONE(26, acos(x)) /* acos */
ONE(27, atan(x)) /* atan */
TWO(28, atan2(x, y)) /* atan2 */
ONE(30, sinh(x)) /* sinh */
ONE(31, cosh(x)) /* cosh */
ONE(32, tanh(x)) /* tanh */
ONE(33, asinh(x)) /* asinh */
ONE(34, acosh(x)) /* acosh */
ONE(35, atanh(x)) /* atanh */
ONE(36, erf(x)) /* erf */
ONE(37, erfc(x)) /* erfc */
ONE_CHECKED(38, CPyDef_numerics___sigmoid) /* sigmoid */
ONE_CHECKED(39, CPyDef_numerics___logsigmoid) /* logsigmoid */
ONE_CHECKED(40, CPyDef_numerics___softplus) /* softplus */
TWO_CHECKED(41, CPyDef_numerics___leaky_relu) /* leaky_relu */
TWO_CHECKED(42, CPyDef_numerics___elu) /* elu */
ONE_CHECKED(43, CPyDef_numerics___selu) /* selu */
ONE_CHECKED(44, CPyDef_numerics___gelu) /* gelu */
ONE_CHECKED(45, CPyDef_numerics___silu) /* silu */
ONE_CHECKED(46, CPyDef_numerics___softsign) /* softsign */
THREE_CHECKED(47, CPyDef_numerics___clamp) /* hardtanh */
TWO_CHECKED(48, CPyDef_numerics___maximum) /* maximum */
TWO_CHECKED(49, CPyDef_numerics___minimum) /* minimum */
THREE_CHECKED(50, CPyDef_numerics___clamp) /* clamp */
THREE_CHECKED(51, CPyDef_numerics___where) /* where */
ONE_CHECKED(52, CPyDef_numerics___floor) /* floor */
ONE_CHECKED(53, CPyDef_numerics___ceil) /* ceil */
ONE_CHECKED(54, CPyDef_numerics___sign) /* sign */
TWO_CHECKED(55, CPyDef_numerics___greater) /* greater */
TWO_CHECKED(56, CPyDef_numerics___greater_equal) /* greater_equal */
TWO_CHECKED(57, CPyDef_numerics___less) /* less */
TWO_CHECKED(58, CPyDef_numerics___less_equal) /* less_equal */
TWO_CHECKED(59, CPyDef_numerics___equal) /* equal */
TWO_CHECKED(60, CPyDef_numerics___not_equal) /* not_equal */
#ifdef WALK_TOTAL
MANY(61, walk_total) /* sum */
#endif
MANY_CHECKED(62, CPyDef_numerics___mean) /* mean */
MANY_CHECKED(63, CPyDef_numerics___product) /* prod */
MANY_CHECKED(64, CPyDef_numerics___logsumexp) /* logsumexp */
MANY_CHECKED(65, CPyDef_numerics___softmax) /* softmax */
MANY_CHECKED(66, CPyDef_numerics___lookup) /* lookup */
TWO_CHECKED(67, CPyDef_numerics___power_by_base) /* pow_by_base */
TWO_CHECKED(68, CPyDef_numerics___power_by_exponent) /* pow_by_exponent */
ONE_CHECKED(69, CPyDef_numerics___cbrt_derivative) /* cbrt_derivative */
ONE_CHECKED(70, CPyDef_numerics___asin_derivative) /* asin_derivative */
ONE_CHECKED(71, CPyDef_numerics___atanh_derivative) /* atanh_derivative */
TWO_CHECKED(72, CPyDef_numerics___hypot_derivative) /* hypot_derivative */
ONE_CHECKED(73, CPyDef_numerics___tanh_derivative) /* tanh_derivative */
ONE_CHECKED(74, CPyDef_numerics___sigmoid_derivative) /* sigmoid_derivative */
ONE_CHECKED(75, CPyDef_numerics___silu_derivative) /* silu_derivative */
ONE_CHECKED(76, CPyDef_numerics___gaussian) /* gaussian */
ONE_CHECKED(77, CPyDef_numerics___normal_pdf) /* normal_pdf */
ONE_CHECKED(78, CPyDef_numerics___normal_cdf) /* normal_cdf */
ONE_CHECKED(79, CPyDef_numerics___gelu_derivative) /* gelu_derivative */
ONE_CHECKED(80, CPyDef_numerics___gelu_second_derivative) /* gelu_second_derivative */
ONE(81, x) /* limit */
